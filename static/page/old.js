// @ts-check
/** Loaded only by browsers that know no modules (`nomodule`), and written in what those know: says that they are too old. */

addEventListener("DOMContentLoaded", function () {
  /** @param {string} id @param {string} text */
  function say(id, text) {
    var element = document.getElementById(id);
    if (element) element.textContent = text;
  }

  var helps = "A current Firefox, Chrome, Edge or Safari plays it.";
  say("headline", "This browser is too old for this page");
  say("detail", helps);
  say("rooms-note", "This browser is too old for this page. " + helps);
  say("check-status", "This browser is too old for this page. " + helps);
});
