// @ts-check
/** Translations are whole: every text, every value, every plural form. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { DE } from "../../../static/words/de.js";
import { JA } from "../../../static/words/ja.js";

/** @typedef {import("../../../static/words/language.js").Text} Text */
/** @typedef {import("../../../static/words/language.js").Texts} Texts */
/** @typedef {import("../../../static/words/language.js").Catalog} Catalog */

const STATIC = fileURLToPath(new URL("../../../static", import.meta.url));
/** @type {Record<string, Catalog>} */
const LANGUAGES = { de: DE, ja: JA };
/** Modules of the folder that hold no texts. */
const NO_PART = ["language.js", "say.js", "times.js", "pseudo.js", ...Object.keys(LANGUAGES).map((tag) => `${tag}.js`)];

/** The English texts by part. @type {Record<string, Texts>} */
const ENGLISH = {};
for (const name of readdirSync(join(STATIC, "words"))) {
  if (NO_PART.includes(name)) continue;
  const part = name.replace(/\.js$/, "");
  const texts = (await import(join(STATIC, "words", name)))[part.toUpperCase().replace("-", "_")];
  assert.ok(texts, `${name} exports its texts`);
  assert.match(readFileSync(join(STATIC, "words", name), "utf8"), new RegExp(`speaker\\("${part}",`), name);
  ENGLISH[part] = texts;
}

/** @param {string} text */
const namesOf = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name).sort();

/** "A click" needs no number. @param {string} form @param {string[]} wanted */
const sameOrUncounted = (form, wanted) => [wanted, wanted.filter((name) => name !== "n")].some((names) => names.join() === namesOf(form).join());

/** @param {Text} text @returns {{other: string, one?: string}} */
const formsOf = (text) => (typeof text === "string" ? { other: text } : text);

for (const [tag, catalog] of Object.entries(LANGUAGES)) {
  test(`${tag} has the parts and keys that English has, and no others`, () => {
    const { html, ...parts } = catalog;
    assert.deepEqual(Object.keys(parts).sort(), Object.keys(ENGLISH).sort());
    for (const [part, texts] of Object.entries(parts)) assert.deepEqual(Object.keys(texts).sort(), Object.keys(ENGLISH[part] ?? {}).sort(), part);
    assert.ok(html);
  });

  test(`${tag} takes the same values, in each form`, () => {
    for (const [part, texts] of Object.entries(ENGLISH)) {
      for (const [key, english] of Object.entries(texts)) {
        const wanted = namesOf(formsOf(english).other);
        const { other, ...forms } = formsOf(catalog[part]?.[key] ?? "");
        assert.deepEqual(namesOf(other), wanted, `${part} ${key}`);
        for (const form of Object.values(forms)) assert.ok(sameOrUncounted(form, wanted), `${part} ${key}: ${form}`);
      }
    }
  });

  test(`${tag} has a form for each plural category, where English has more than one`, () => {
    const categories = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
    for (const [part, texts] of Object.entries(ENGLISH)) {
      for (const [key, english] of Object.entries(texts)) {
        const text = catalog[part]?.[key] ?? "";
        assert.equal(typeof text, typeof english, `${part} ${key}`);
        if (typeof text !== "string") assert.deepEqual(Object.keys(text).sort(), [...categories].sort(), `${part} ${key}`);
      }
    }
  });
}

test("English has both of its forms, with the number in the one for many", () => {
  for (const [part, texts] of Object.entries(ENGLISH)) {
    for (const [key, text] of Object.entries(texts)) {
      if (typeof text === "string") continue;
      assert.deepEqual(Object.keys(text), ["one", "other"], `${part} ${key}`);
      for (const form of Object.values(text)) assert.ok(sameOrUncounted(form, namesOf(text.other)), `${part} ${key}`);
      assert.ok(namesOf(text.other).includes("n"), `${part} ${key}`);
    }
  }
});

test("page/language.js offers the languages that have a catalog", () => {
  const text = readFileSync(join(STATIC, "page", "language.js"), "utf8");
  assert.deepEqual(JSON.parse(/HAS = (\[.*\]);/.exec(text)?.[1] ?? ""), ["en", ...Object.keys(LANGUAGES)]);
});

/** Modules in which English sentences stand, and why: the list only gets shorter. */
const LEFT = {
  "page/first.js": "the keys of its texts, which html.test.js looks for",
  "page/old.js": "browsers that know no modules have no catalogs",
  "page/outdated.js": "the catalogs of a page whose version is gone are gone, too",
  "page/language.js": "the element that it writes",
  "check/report.js": "it goes into a bug report, whose readers know English",
  "studio/audio.js": "what a recording for tests fails with",
  "midi/typing.js": "names of keys",
  "connection/sdp.js": "a line of SDP",
};
/** Folders that fail with what developers read. */
const DEVELOPERS = /^(channel|studio\/engine)\//;
/** Literals, with what is before them in errors that are for developers alone. */
const LITERALS = /(Error\()?("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)/g;
/** What holds two words and is said to nobody: tags, values in templates, selectors, the stable names of the big button's actions, fonts. */
const NOT_SAID = /<\/?[a-z][^<>]*>|\$\{[^}]*\}|^"[.#[].*|^"(Tap to hear|Try again|Listen again)"$|Archivo, .*/g;

test("no English sentence is left in the modules", () => {
  const found = new Set();
  for (const path of readdirSync(STATIC, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".js") || path.startsWith("words/") || DEVELOPERS.test(path)) continue;
    const code = readFileSync(join(STATIC, path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    const said = [...code.matchAll(LITERALS)].flatMap(([, error, literal = ""]) => (error ? [] : [literal.replace(NOT_SAID, "")]));
    const sentences = said.filter((literal) => /(?<![-\w])[a-z’]{2,} [a-z]{2,}(?![-\w])/i.test(literal));
    if (!(path in LEFT)) assert.deepEqual(sentences, [], `${path}: texts belong into static/words/`);
    else if (sentences.length > 0) found.add(path);
  }
  assert.deepEqual(Object.keys(LEFT).filter((path) => !found.has(path)), [], "these can leave the list");
});
