// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Language } from "../../../static/words/language.js";
import { accented, mirrored } from "../../../static/words/pseudo.js";
import { speaker } from "../../../static/words/say.js";
import { duration } from "../../../static/words/times.js";

const KEYS = { one: "{n} key", other: "{n} keys" };

test("the number chooses the form", () => {
  const english = new Language("en");
  assert.deepEqual([0, 1, 2, 1200].map((n) => english.say("a", "keys", KEYS, { n })), ["0 keys", "1 key", "2 keys", "1,200 keys"]);
  const polish = new Language("pl", { a: { keys: { one: "{n} klawisz", few: "{n} klawisze", many: "{n} klawiszy", other: "{n} klawisza" } } });
  assert.deepEqual(
    [1, 3, 5, 1.5].map((n) => polish.say("a", "keys", KEYS, { n })),
    ["1 klawisz", "3 klawisze", "5 klawiszy", "1,5 klawisza"],
  );
});

test("what a translation lacks stays English", () => {
  const german = new Language("de", { a: {} });
  assert.equal(german.say("a", "keys", KEYS, { n: 2 }), "2 keys");
  assert.equal(german.say("b", "keys", KEYS, { n: 1 }), "1 key");
});

test("numbers are written as the language writes them, texts as they are", () => {
  const german = new Language("de");
  assert.equal(german.say("a", "b", "{x} of {y} in {x}", { x: 1234.5, y: "{x} $&" }), "1.234,5 of {x} $& in 1.234,5");
  assert.equal(german.number(4.26, 1), "4,3");
  assert.equal(german.number(4, 1, 1), "4,0");
  assert.match(new Language("de-CH").number(1234567), /^1['’]234['’]567$/);
});

test("a value that is missing shows where", () => {
  assert.equal(new Language("en").say("a", "b", "{x} and {y}", { x: 1 }), "1 and {y}");
});

test("the pseudo-languages change everything but values", () => {
  assert.equal(accented("{n} keys"), "[{n} kéýs~~~]");
  assert.equal(accented("–"), "–");
  assert.equal(mirrored("{n} keys, all"), "{n} \u202ekeys\u202c, \u202eall\u202c");
  const pseudo = new Language("en-XA", {}, accented);
  assert.equal(pseudo.say("a", "keys", KEYS, { n: 1 }), "[1 kéý~~~]");
});

test("the compiler knows keys and values", () => {
  const say = speaker("a", { plain: "Plain", named: "{who} plays", keys: { one: "{n} of {who}", other: "{n} of {who}" } });
  assert.equal(say("plain"), "Plain");
  assert.equal(say("named", { who: "Ann" }), "Ann plays");
  assert.equal(say("keys", { n: 2, who: "Ann" }), "2 of Ann");
  // @ts-expect-error a value is missing
  say("named");
  // @ts-expect-error a value has another name
  say("named", { whom: "Ann" });
  // @ts-expect-error the form needs a number
  say("keys", { n: "two", who: "Ann" });
  // @ts-expect-error there is no value
  say("plain", { who: "Ann" });
  // @ts-expect-error there is no such key
  assert.throws(() => say("missing"));
});

test("a duration has the unit of which there are two at least", () => {
  assert.deepEqual([1, 119, 120, 7199, 7200, 172_800].map(duration), ["1 sec", "119 sec", "2 min", "119 min", "2 hr", "2 days"]);
});
