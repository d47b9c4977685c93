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
const namesOf = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** @param {Text} text */
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
        for (const form of Object.values(formsOf(catalog[part]?.[key] ?? ""))) assert.deepEqual(namesOf(form), wanted, `${part} ${key}: ${form}`);
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

test("English has both of its forms, with the number in each", () => {
  for (const [part, texts] of Object.entries(ENGLISH)) {
    for (const [key, text] of Object.entries(texts)) {
      if (typeof text === "string") continue;
      assert.deepEqual(Object.keys(text), ["one", "other"], `${part} ${key}`);
      for (const form of Object.values(text)) assert.deepEqual(namesOf(form), namesOf(text.other), `${part} ${key}`);
      assert.ok(namesOf(text.other).includes("n"), `${part} ${key}`);
    }
  }
});

test("page/language.js offers the languages that have a catalog", () => {
  const text = readFileSync(join(STATIC, "page", "language.js"), "utf8");
  assert.deepEqual(JSON.parse(/HAS = (\[.*\]);/.exec(text)?.[1] ?? ""), ["en", ...Object.keys(LANGUAGES)]);
});

/** Modules whose texts are in the catalogs: no sentence may come back, but for stable names of actions. Others are moved here, until the list is all. */
const MOVED = ["check/main.js", "check/verdicts.js", "check/view.js", "ui/strip.js", "ui/arrival.js", "page/rooms.js", "ui/panel.js", "ui/format.js", "ui/words.js", "ui/verdict-words.js", "ui/refusals.js", "connection/problems.js"];
/** Two words in quotes, of which no developer alone is told. */
const SENTENCE = /(?<!Error\()(["'`])(?:(?!\1)[^\\\n])*[a-z’]{2,} [a-z]{2,}(?:(?!\1)[^\\\n])*\1/i;

test("no English sentence is left in the modules that were moved", () => {
  for (const path of MOVED) {
    const code = readFileSync(join(STATIC, path), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "").replace(/"(Tap to hear|Try again|Listen again)"/g, "");
    assert.equal(SENTENCE.exec(code)?.[0], undefined, path);
  }
});
