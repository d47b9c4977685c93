// @ts-check
/**
 * Says the page's texts in the page's language. A part of the page has a module beside this one with its English texts by key, and a
 * function that says them:
 *
 *   import { say } from "../words/room.js";
 *   say("listeners", { n: 2 })     "2 listeners in the room"
 *
 * English travels with the scripts that say it. Another language is one module (de.js, ja.js) that page/language.js loads before the
 * page's scripts. What is said stays: the language changes only when the page is loaded.
 */

import { Language } from "./language.js";

/** @typedef {import("./language.js").Text} Text */
/** @typedef {import("./language.js").Texts} Texts */

/**
 * What a translation leaves for this module.
 *
 * @typedef {object} Loaded
 * @property {import("./language.js").Catalog} [catalog]
 * @property {(text: string) => string} [change]
 */

/**
 * The names in braces.
 *
 * @template {string} T
 * @typedef {T extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never} Names
 */

/**
 * The values that a text takes: what stands for `{n}` where it has plural forms is a number.
 *
 * @template {Text} T
 * @typedef {T extends string ? {[name in Names<T>]: string | number}
 *   : T extends {other: infer Other extends string} ? {[name in Names<Other>]: name extends "n" ? number : string | number} & {n: number} : never} Values
 */

/**
 * @template {Texts} T
 * @typedef {<Key extends keyof T & string>(key: Key, ...values: keyof Values<T[Key]> extends never ? [] : [Values<T[Key]>]) => string} Say
 */

const { document, rtcserverWords: loaded } = /** @type {{document?: Document, rtcserverWords?: Loaded}} */ (globalThis);
const tag = document?.documentElement.lang || "en";

/** The page's language. It is English where the translation did not come. */
const language = new Language(loaded || tag.startsWith("en") ? tag : "en", loaded?.catalog, loaded?.change);

/**
 * @template {Texts} const T
 * @param {string} part the name of these texts in translations
 * @param {T} english
 * @returns {Say<T>}
 */
export function speaker(part, english) {
  return (key, ...[values]) => language.say(part, key, /** @type {Text} */ (english[key]), values ?? {});
}

/**
 * @param {number} value
 * @param {number} [most] digits behind the point
 * @param {number} [least]
 * @returns {string} "1,234" in English, "1.234" in German
 */
export const number = (value, most, least) => language.number(value, most, least);

/**
 * A sentence of the server's, which is English, or the page's own where that is in another language or the server said nothing. For causes
 * that the page has words for; others are shown as they came.
 *
 * @param {string} said
 * @param {string} own
 * @returns {string}
 */
export const saidOr = (said, own) => (loaded?.catalog ? own : said || own);

/** The page's language, for Intl. @returns {string} */
export const spoken = () => language.tag;
