// @ts-check
/**
 * Keeps a press of Listen that comes before the page's modules: on a slow line the button is there a second before they are. It is
 * no module, so that it runs before the button is drawn. What is kept stands on the root element, where main.js takes it.
 */

(() => {
  const root = document.documentElement;

  /** @param {string} id @param {string} text */
  const say = (id, text) => {
    const element = document.getElementById(id);
    if (element) element.textContent = text;
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

  addEventListener("click", keep, true);
})();
