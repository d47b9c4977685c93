// @ts-check
/**
 * Chooses the page's language before anything is drawn: the first of the browser's that the page has (`navigator.languages`), or what
 * `?lang=de` in the address asks for, which is kept until `?lang=` forgets it. It is no module, so that it runs first. A language other
 * than English is a module that is written into the page here: it then runs before the page's own scripts, as deferred scripts do in
 * their order (HTML, section 4.12.1), and these need not wait for anything.
 */

(() => {
  const HAS = ["en", "de", "ja"];
  const PSEUDO = ["en-XA", "ar-XB"];
  const KEPT = "rtcserver.lang";

  /** @param {string} tag @returns {string | undefined} the tag, with no more than language and region; undefined for languages that the page has not */
  const known = (tag) => {
    const [, language = "", region = ""] = /^([a-z]{2,3})(-[A-Z]{2})?(?:-|$)/.exec(tag) ?? [];
    return HAS.includes(language) || PSEUDO.includes(tag) ? language + region : undefined;
  };

  const asked = new URLSearchParams(location.search).get("lang");
  /** @type {string | null} */
  let kept = null;
  try {
    if (asked === "") localStorage.removeItem(KEPT);
    else if (asked !== null && known(asked)) localStorage.setItem(KEPT, asked);
    kept = localStorage.getItem(KEPT);
  } catch {
    // A browser that keeps nothing asks anew.
  }
  const real = navigator.languages.filter((tag) => !PSEUDO.includes(tag));
  const tag = [asked ?? "", kept ?? "", ...real].map(known).find(Boolean) ?? "en";
  const root = document.documentElement;
  root.lang = tag;
  root.dir = tag === "ar-XB" ? "rtl" : "ltr";
  const name = PSEUDO.includes(tag) ? "pseudo" : tag.slice(0, 2);
  const here = document.currentScript;
  if (name === "en" || !(here instanceof HTMLScriptElement)) return;
  document.write(`<script type="module" data-words src="${new URL(`../words/${name}.js`, here.src).href}"></script>`);
})();
