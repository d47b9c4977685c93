// @ts-check
/**
 * The keys of a player: space plays and stops, m mutes, the arrows up and down change the volume. They act where nothing else wants
 * them: not in a text field, and not while the computer's keys play the instrument. Arrows scroll the page as ever, except on the
 * button in the middle and on mute.
 */

import { byId } from "./dom.js";

/** @typedef {"toggle" | "mute" | "louder" | "softer"} Command */

/**
 * @typedef {object} Pressed
 * @property {string} key of a KeyboardEvent
 * @property {boolean} held it was pressed already, and repeats
 * @property {"page" | "player" | "other"} on where the focus is: nowhere, on a button of the player, or on something else
 */

/** One press of an arrow, in percent of the control. */
const STEP = 5;

/**
 * @param {Pressed} pressed
 * @returns {Command | null}
 */
export function commandOf({ key, held, on }) {
  if (on === "other") return null;
  if (on === "player" && key === "ArrowUp") return "louder";
  if (on === "player" && key === "ArrowDown") return "softer";
  if (held) return null;
  // On a button, space is the button's own.
  if (key === " ") return on === "page" ? "toggle" : null;
  return key === "m" || key === "M" ? "mute" : null;
}

/**
 * @param {() => void} toggle plays or stops
 */
export function wireHotKeys(toggle) {
  const [knob, mute] = [byId("listen", HTMLButtonElement), byId("mute", HTMLButtonElement)];
  const slider = byId("volume", HTMLInputElement);
  knob.setAttribute("aria-keyshortcuts", "Space");
  mute.setAttribute("aria-keyshortcuts", "M");
  const turn = (/** @type {number} */ by) => {
    slider.value = String(Number(slider.value) + by);
    slider.dispatchEvent(new Event("input"));
  };
  // On the window, after whoever takes the key for the instrument.
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const { key, target, repeat } = event;
    const on = target === document.body ? "page" : target === knob || target === mute ? "player" : "other";
    const modified = event.ctrlKey || event.altKey || event.metaKey;
    const command = modified ? null : commandOf({ key, held: repeat, on });
    if (!command) return;
    event.preventDefault();
    if (command === "toggle") toggle();
    else if (command === "mute") mute.click();
    else turn(command === "louder" ? STEP : -STEP);
  });
}
