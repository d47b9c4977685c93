// @ts-check
/** A language's rules: which form of a text a number asks for, and how numbers are written (Intl, ECMA-402). Pure. */

/**
 * A text, or its forms by the plural category of its `{n}` (Unicode's CLDR: zero, one, two, few, many, other). What is in braces is
 * replaced by a value.
 *
 * @typedef {string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>> & {other: string}>} Text
 */
/** Texts by key. @typedef {Readonly<Record<string, Text>>} Texts */
/** A translation: texts by part of the page and key. @typedef {Readonly<Record<string, Texts>>} Catalog */

export class Language {
  #catalog;
  #change;
  #plurals;
  /** @type {Map<string, Intl.NumberFormat>} making one takes longer than using it a hundred times */
  #numbers = new Map();

  /**
   * @param {string} tag BCP 47, such as "de" or "de-CH"
   * @param {Catalog} [catalog] what is missing in it stays English
   * @param {(text: string) => string} [change] what is done to a text that is said, but for its values: see pseudo.js
   */
  constructor(tag, catalog = {}, change = (text) => text) {
    this.tag = tag;
    this.#catalog = catalog;
    this.#change = change;
    this.#plurals = new Intl.PluralRules(tag);
  }

  /**
   * @param {string} part
   * @param {string} key
   * @param {Text} english
   * @param {Readonly<Record<string, string | number>>} values numbers are written as this language writes them
   * @returns {string}
   */
  say(part, key, english, values) {
    const text = this.#catalog[part]?.[key] ?? english;
    const form = typeof text === "string" ? text : (text[this.#plurals.select(Number(values.n))] ?? text.other);
    return this.#change(form).replace(/\{(\w+)\}/g, (whole, name) => {
      const value = values[name] ?? whole;
      return typeof value === "number" ? this.number(value) : value;
    });
  }

  /**
   * @param {number} value
   * @param {number} [most] digits behind the point; "1,234", "0.5"
   * @param {number} [least]
   * @returns {string}
   */
  number(value, most = 3, least = 0) {
    const kind = `${most},${least}`;
    let format = this.#numbers.get(kind);
    if (!format) {
      format = new Intl.NumberFormat(this.tag, { maximumFractionDigits: most, minimumFractionDigits: least });
      this.#numbers.set(kind, format);
    }
    return format.format(value);
  }
}
