// @ts-check
/**
 * Says what keeps the page from starting, and keeps a press of Listen that comes before the page's modules: on a slow line the button is there a second before they are. It is
 * no module, so that it runs before the button is drawn. What is kept stands on the root element, where main.js takes it.
 */

(() => {
  const root = document.documentElement;

  /** Where a translation is, if it has come. */
  const translated = /** @type {{rtcserverWords?: import("../words/say.js").Loaded}} */ (/** @type {unknown} */ (window));

  /** @param {string} id @param {string} text in English */
  const say = (id, text) => {
    const element = document.getElementById(id);
    const found = translated.rtcserverWords?.catalog?.html?.[text];
    if (element) element.textContent = typeof found === "string" ? found : text;
  };

  /** @param {Event} event */
  const keep = ({ target }) => {
    if (root.dataset.ready !== undefined) return removeEventListener("click", keep, true);
    if (!(target instanceof Element) || !target.closest("#listen")) return;
    const pressed = root.dataset.pressed === undefined;
    if (pressed) root.dataset.pressed = "";
    else delete root.dataset.pressed;
    document.body.dataset.state = pressed ? "connecting" : "idle";
    document.body.dataset.tone = pressed ? "busy" : "rest";
    say("listen-label", pressed ? "Stop" : "Listen");
    say("headline", pressed ? "Connecting" : "Ready");
    say("detail", pressed ? "" : "Press Listen and turn it up.");
  };

  /**
   * What keeps the page's modules from running, before any of them could say so: one is missing, or this browser cannot read it.
   *
   * @param {Event} event
   */
  const fail = (event) => {
    // A translation that does not come leaves the page English.
    const missing = event.target instanceof HTMLScriptElement && event.target.dataset.words === undefined;
    const unread = event instanceof ErrorEvent && event.error instanceof SyntaxError;
    if (root.dataset.ready !== undefined || !(missing || unread)) return;
    root.dataset.ready = "";
    document.body.dataset.state = "failed";
    document.body.dataset.tone = "bad";
    const button = document.getElementById("listen");
    if (button instanceof HTMLButtonElement) button.disabled = true;
    say("listen-label", "Listen");
    say("headline", missing ? "The page came only in part" : "This browser is too old for this page");
    say("detail", missing ? "Load it again. If that does not help, the server may be starting." : "A current Firefox, Chrome, Edge or Safari plays it.");
  };

  addEventListener("error", fail, true);
  addEventListener("click", keep, true);
})();
