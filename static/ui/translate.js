// @ts-check
/**
 * Translates what the HTML says when it is loaded: texts and what screen readers, tool tips and empty fields say. The English text is the
 * key, so that the HTML needs no marks, and a page in English runs through nothing. It is the first import of a page's script.
 */

/** @typedef {import("../words/say.js").Loaded} Loaded */

const SAID = ["aria-label", "title", "placeholder"];

const { rtcserverWords: loaded } = /** @type {{rtcserverWords?: Loaded}} */ (globalThis);
if (loaded) translate(document.documentElement, loaded);
else if (!document.documentElement.lang.startsWith("en")) document.documentElement.lang = "en"; // its words did not come

/**
 * @param {Element} root
 * @param {Loaded} words
 */
function translate(root, { catalog, change }) {
  /** @param {string} text @returns {string} */
  const said = (text) => {
    const key = text.trim().replace(/\s+/g, " ");
    const found = catalog?.html?.[key];
    const next = typeof found === "string" ? found : change?.(key);
    return next === undefined || key === "" ? text : text.replace(text.trim(), () => next);
  };

  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const next = said(node.nodeValue ?? "");
    if (next !== node.nodeValue && !node.parentElement?.closest("script, style, noscript, .mark")) node.nodeValue = next;
  }
  for (const name of SAID) {
    for (const element of root.querySelectorAll(`[${name}]`)) {
      const text = element.getAttribute(name) ?? "";
      if (said(text) !== text) element.setAttribute(name, said(text));
    }
  }
}
