import assert from "node:assert/strict";
import { test } from "node:test";

import { offsetOf } from "../../../static/check/clock.js";
import { hasWay, onlyBy } from "../../../static/check/candidates.js";
import { browserName, pageVersion, reportText } from "../../../static/check/report.js";
import { roomIn, roomToTry } from "../../../static/check/rooms.js";

/** @typedef {import("../../../static/check/verdicts.js").Line} Line */
/** @typedef {import("../../../static/check/verdicts.js").TestId} TestId */

test("a report names the browser and what was found, and nothing that says who or where", () => {
  /** @type {Map<TestId, Line>} */
  const lines = new Map([
    ["udp", { state: "good", found: { key: "way.connected", values: { ms: 41 } }, todo: "http://10.1.2.3:8080/r/secret" }],
    ["midi", { state: "none", found: { key: "secure.needed" } }],
  ]);
  const text = reportText(lines, { browser: "Firefox 153 on Linux", version: "0a1b2c", at: new Date(Date.UTC(2026, 11, 1, 1, 45)) });
  assert.equal(
    text,
    "rtcserver check, 2026-12-01 01:45 UTC\nBrowser: Firefox 153 on Linux\nPage: 0a1b2c\nUDP: Good. Connected in 41 ms.\nWeb MIDI: Not tested. It needs a secure page.\n",
  );
});

test("browsers and systems are named, and nothing else of what they say", () => {
  const said = [
    ["Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox 153 on Linux"],
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome 156 on Linux"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge 140 on Windows"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari 18 on iOS"],
    ["Mozilla/5.0 (Linux; Android 15; Pixel 9 of Anna) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome 140 on Android"],
    ["nothing of the kind", "Another browser"],
  ];
  for (const [agent = "", name] of said) assert.equal(browserName(agent), name);
});

test("the page's version is that of its address", () => {
  assert.equal(pageVersion("http://host/montage/static/@0a1b2c3d4e5f/check/main.js"), "0a1b2c3d4e5f");
  assert.equal(pageVersion("http://host/static/check/main.js"), "");
});

test("the clock is told by the quickest question", () => {
  const asked = [
    { sentMs: 1000, serverMs: 1600, cameMs: 1200 },
    { sentMs: 2000, serverMs: 2505, cameMs: 2010 },
    { sentMs: 3000, serverMs: 3900, cameMs: 3900 },
  ];
  assert.deepEqual(offsetOf(asked), { offsetMs: 500, errorMs: 6, roundTripMs: 10 });
  assert.equal(offsetOf([]), null);
});

const ANSWER = [
  "v=0",
  "a=candidate:1 1 udp 2130706431 192.0.2.7 8080 typ host",
  "a=candidate:2 1 TCP 1671430143 192.0.2.7 8080 typ host tcptype passive",
  "a=end-of-candidates",
  "",
].join("\r\n");

test("an answer is left with the candidates of one way", () => {
  assert.ok(hasWay(ANSWER, "udp") && hasWay(ANSWER, "tcp") && hasWay(ANSWER, "turn"));
  assert.equal(onlyBy(ANSWER, "udp").match(/a=candidate/g)?.length, 1);
  assert.match(onlyBy(ANSWER, "turn"), /1 1 udp/);
  assert.match(onlyBy(ANSWER, "tcp"), /tcptype passive/);
  assert.ok(!hasWay(onlyBy(ANSWER, "udp"), "tcp"));
  assert.equal(onlyBy(onlyBy(ANSWER, "udp"), "tcp").split("\r\n").length, 3);
  assert.ok(onlyBy(ANSWER, "tcp").endsWith("a=end-of-candidates\r\n"));
});

test("the tests try the room of the link, or the first one that there is", () => {
  const listed = { rooms: [{ name: "one" }, { name: 7 }, { name: "two" }] };
  assert.equal(roomIn("?room=a%20b"), "a b");
  assert.equal(roomIn(""), null);
  assert.equal(roomToTry("two", listed), "two");
  assert.equal(roomToTry("nowhere", listed), "one");
  assert.equal(roomToTry(null, listed), "one");
  assert.equal(roomToTry("secret", null), "secret");
  for (const nothing of [null, {}, { rooms: 3 }, { rooms: [null] }]) assert.equal(roomToTry(null, nothing), null);
});
