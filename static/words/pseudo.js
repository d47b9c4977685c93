// @ts-check
/**
 * Two languages that nobody speaks, to see what a translation will meet: `?lang=en-XA` makes each text a third longer and accents it, so
 * that what does not go through the catalogs stands out; `?lang=ar-XB` writes from right to left.
 */

const PLAIN = "aceinouyACEINOUY";
const ACCENTED = "áçéíñóúýÁÇÉÍÑÓÚÝ";

/** Letters that are changed, but for those in braces. @param {string} text @param {(letters: string) => string} change */
const outside = (text, change) => text.split(/(\{\w+\})/).map((one, index) => (index % 2 ? one : change(one))).join("");

/** @param {string} text @returns {string} "[Réáðý…~~]" */
export function accented(text) {
  if (!/[a-z]/i.test(text)) return text;
  const letters = outside(text, (one) => one.replace(/[a-z]/gi, (letter) => ACCENTED[PLAIN.indexOf(letter)] ?? letter));
  return `[${letters}${"~".repeat(Math.ceil(text.length / 3))}]`;
}

/** Each word is turned around by RLO and PDF (Unicode's bidirectional algorithm, UAX 9). @param {string} text @returns {string} */
export const mirrored = (text) => outside(text, (one) => one.replace(/[\p{L}\p{N}’']+/gu, (word) => `\u202e${word}\u202c`));

const { document } = /** @type {{document?: Document}} */ (globalThis);
if (document) Object.assign(globalThis, { rtcserverWords: { change: document?.documentElement.lang === "ar-XB" ? mirrored : accented } });
