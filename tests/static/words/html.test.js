// @ts-check
/** What the HTML says is in each translation, by its English text, and nothing that it does not say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { DE } from "../../../static/words/de.js";
import { JA } from "../../../static/words/ja.js";

const STATIC = fileURLToPath(new URL("../../../static", import.meta.url));
const PAGES = ["index.html", "room.html", "trust.html", "check.html", "embed.html"];
/** Names and units that are the same in each language. */
const SAME = new Set(["rtcserver", "dBFS", "dB", "0.0 dB", "ms", "kb/s", "space", "Live", "Opus"]);

/** @param {string} text */
const decoded = (text) => text.replace(/&nbsp;/g, "\u00a0").replace(/&amp;/g, "&").replace(/\s+/g, " ").trim();

/** @param {string} html @returns {Set<string>} texts between tags and in attributes that are read or shown */
export function saidBy(html) {
  const body = html.replace(/<!--.*?-->|<(script|style|noscript)\b.*?<\/\1>/gs, "");
  const texts = [...body.matchAll(/>([^<]+)</g), ...body.matchAll(/\s(?:aria-label|title|placeholder)="([^"]+)"/g)];
  return new Set(texts.map(([, text = ""]) => decoded(text)).filter((text) => /[A-Za-z]{2}/.test(text) && !SAME.has(text)));
}

/** Texts of the script that runs before the page's own. */
const first = [...readFileSync(join(STATIC, "page", "first.js"), "utf8").matchAll(/say\(.*\)/g)].flatMap(([call]) => [...call.matchAll(/"([A-Z][^"]+)"/g)]);
const wanted = new Set([...PAGES.flatMap((page) => [...saidBy(readFileSync(join(STATIC, page), "utf8"))]), ...first.map(([, text = ""]) => text)]);

for (const [tag, { html }] of Object.entries({ de: DE, ja: JA })) {
  test(`${tag} says all that the HTML says`, () => {
    assert.deepEqual([...wanted].filter((text) => !(text in html)), []);
  });
  test(`${tag} says nothing that the HTML does not say`, () => {
    assert.deepEqual(Object.keys(html).filter((text) => !wanted.has(text)), []);
  });
}

test("texts and attributes are found, and scripts are none", () => {
  assert.deepEqual(
    [...saidBy('<p title="A tip">One <b>two  &amp;\n three</b> – 5 ms</p><script>const x = "not this"</script><noscript>Nor this</noscript>')],
    ["One", "two & three", "– 5 ms", "A tip"],
  );
});
