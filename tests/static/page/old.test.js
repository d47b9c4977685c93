import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const TEXT = readFileSync(new URL("../../../static/page/old.js", import.meta.url), "utf8");

test("an old browser can read the script that is for it, and the page then says what it is", () => {
  // What came with ECMAScript 2015 is a syntax error before.
  assert.doesNotMatch(TEXT.replace(/\/\*[\s\S]*?\*\//g, ""), /=>|`|\b(?:const|let|class|import|export)\b/);
  /** @type {Record<string, {textContent: string}>} */
  const elements = { headline: { textContent: "Ready" }, detail: { textContent: "Press Listen." } };
  const document = { getElementById: (/** @type {string} */ id) => elements[id] ?? null };
  runInNewContext(TEXT, { document, addEventListener: (/** @type {string} */ _, /** @type {() => void} */ act) => act() });
  assert.equal(elements.headline?.textContent, "This browser is too old for this page");
  assert.match(elements.detail?.textContent ?? "", /Firefox, Chrome, Edge or Safari/);
});
