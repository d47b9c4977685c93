// @ts-check
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const FOLDER = new URL("../../static/style/", import.meta.url);
/** Properties and values that name a side of the screen, where scripts from right to left want the other one. */
const SIDED = /(?:^|[\s;{])(?:(?:margin|padding|border)-(?:left|right)\b|(?:left|right)\s*:|(?:text-align|float|clear|justify-\w+)\s*:\s*(?:left|right)\b)/;
/** Low notes are on the left in every script. */
const LEFT_TO_RIGHT = /^\.(?:piano|key-(?:name|legend))/;

test("styles say start and end, so that the page is mirrored for scripts from right to left; the keyboard is not", () => {
  for (const name of readdirSync(FOLDER)) {
    const rules = readFileSync(new URL(name, FOLDER), "utf8").replace(/\/\*[^]*?\*\//g, "");
    for (const [, selector = "", body = ""] of rules.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
      if (LEFT_TO_RIGHT.test(selector.trim())) continue;
      assert.doesNotMatch(body, SIDED, `${name}: ${selector.trim()}`);
    }
  }
});
