// @ts-check
/**
 * The computer's keys as two rows of a piano. They are told apart by position (`KeyboardEvent.code`) and not by letter, so that they
 * have the same shape on every layout. Pure.
 *
 *      S D   G H J   L ;          2 3   5 6 7   9 0
 *     Z X C V B N M , . /        Q W E R T Y U I O P
 *     C D E F G A B C D E        C D E F G A B C D E
 *     lower row: the octave      upper row: one octave higher
 *
 *   [ and ]  octave down and up      - and =  softer and louder      space  sustain while it is held
 */

/** @type {Readonly<Record<string, number>>} semitones above the C of the lower row */
export const SEMITONES = Object.freeze(
  Object.fromEntries([
    ...row("KeyZ KeyS KeyX KeyD KeyC KeyV KeyG KeyB KeyH KeyN KeyJ KeyM Comma KeyL Period Semicolon Slash", 0),
    ...row("KeyQ Digit2 KeyW Digit3 KeyE KeyR Digit5 KeyT Digit6 KeyY Digit7 KeyU KeyI Digit9 KeyO Digit0 KeyP", 12),
  ]),
);

/** The C of the lower row: C3, so that middle C lies under Q. */
export const DEFAULT_OCTAVE = 48;
const LOWEST = 24;
const HIGHEST = 84;

/** @typedef {"octave-down" | "octave-up" | "softer" | "louder" | "sustain"} Action */

/** @type {Readonly<Record<string, Action>>} */
const ACTIONS = Object.freeze({
  BracketLeft: "octave-down",
  BracketRight: "octave-up",
  Minus: "softer",
  Equal: "louder",
  Space: "sustain",
});

/**
 * @param {string} code of a KeyboardEvent
 * @param {number} octave note of the lower row's C
 * @returns {number | null} the note
 */
export function noteOf(code, octave) {
  const semitone = Object.hasOwn(SEMITONES, code) ? SEMITONES[code] : undefined;
  return semitone === undefined ? null : octave + semitone;
}

/** @param {string} code @returns {Action | null} */
export const actionOf = (code) => (Object.hasOwn(ACTIONS, code) ? (ACTIONS[code] ?? null) : null);

/** @param {number} octave @param {1 | -1} by */
export const shiftOctave = (octave, by) => Math.max(LOWEST, Math.min(HIGHEST, octave + 12 * by));

/** @typedef {{tag: string, type: string, editable: boolean}} KeyTarget where a key event goes */

const SILENT_INPUTS = new Set(["range", "checkbox", "radio", "button", "submit", "file", "reset", "color"]);

/**
 * Whether an element wants letters for itself, as a text field does; sliders and buttons do not.
 *
 * @param {KeyTarget} target tag in lower case; type of an input
 */
export function takesLetters({ tag, type, editable }) {
  if (editable || tag === "textarea" || tag === "select") return true;
  return tag === "input" && !SILENT_INPUTS.has(type);
}

/** @param {string} code @returns {string} what stands on that key of a US keyboard */
export function legendOf(code) {
  const signs = /** @type {Record<string, string>} */ ({ Comma: ",", Period: ".", Semicolon: ";", Slash: "/" });
  return signs[code] ?? code.replace(/^(Key|Digit)/, "");
}

/** @param {string} codes @param {number} from @returns {[string, number][]} */
function row(codes, from) {
  return codes.split(" ").map((code, index) => [code, from + index]);
}
