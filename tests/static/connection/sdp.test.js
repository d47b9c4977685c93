import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, asksForStereo, candidates, restartedAnswer, takesRedundancy, withLocalName, withStereoOpus } from "../../../static/connection/sdp.js";
import { ANSWER, CHROMIUM, FIREFOX } from "./offers.js";

/** @param {string} sdp @param {string} prefix */
const lines = (sdp, prefix) => sdp.split("\r\n").filter((line) => line.startsWith(prefix));

test("Chromium's Opus is asked for in stereo, and nothing else changes", () => {
  const munged = withStereoOpus(CHROMIUM);
  assert.equal(munged, CHROMIUM.replace("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1"));
  assert.deepEqual(lines(munged, "a=fmtp:63"), ["a=fmtp:63 111/111"]);
});

test("Firefox's Opus has another payload type, its fmtp comes before the rtpmap, and stereo is there already", () => {
  assert.deepEqual(lines(withStereoOpus(FIREFOX), "a=fmtp"), [
    "a=fmtp:109 maxplaybackrate=48000;useinbandfec=1;stereo=1;sprop-stereo=1",
    "a=fmtp:101 0-15",
  ]);
});

test("an answer with RED around its Opus takes redundancy, one without does not", () => {
  assert.equal(takesRedundancy(ANSWER), false);
  assert.equal(takesRedundancy(`${ANSWER}a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n`), true);
  assert.equal(takesRedundancy("m=video 9 UDP 118\r\na=rtpmap:118 red/90000\r\n"), false);
});

test("asking twice asks once", () => {
  for (const offer of [CHROMIUM, FIREFOX]) assert.equal(withStereoOpus(withStereoOpus(offer)), withStereoOpus(offer));
});

test("a description that asks for mono is overruled", () => {
  const mono = CHROMIUM.replace("minptime=10;useinbandfec=1", "stereo=0; minptime=10;sprop-stereo=0");
  assert.deepEqual(lines(withStereoOpus(mono), "a=fmtp:111"), ["a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1"]);
});

test("Opus without format parameters gets some", () => {
  const bare = CHROMIUM.replace("a=fmtp:111 minptime=10;useinbandfec=1\r\n", "");
  const munged = withStereoOpus(bare).split("\r\n");
  assert.equal(munged[munged.indexOf("a=rtpmap:111 opus/48000/2") + 1], "a=fmtp:111 stereo=1;sprop-stereo=1");
});

test("a description without Opus, and one with bare newlines, survive", () => {
  const none = CHROMIUM.replace("opus/48000/2", "other/48000/2");
  assert.equal(withStereoOpus(none), none);
  const unix = CHROMIUM.replaceAll("\r\n", "\n");
  assert.equal(withStereoOpus(unix), withStereoOpus(CHROMIUM).replaceAll("\r\n", "\n"));
  assert.equal(withStereoOpus(""), "");
});

test("stereo is read from the Opus parameters, in any order, and from no other", () => {
  assert.equal(asksForStereo(CHROMIUM), false);
  assert.equal(asksForStereo(FIREFOX), true);
  assert.equal(asksForStereo(withStereoOpus(CHROMIUM)), true);
  // Chromium sorts the parameters of its local description.
  assert.equal(asksForStereo(CHROMIUM.replace("minptime=10;", "minptime=10;sprop-stereo=1;stereo=1;")), true);
  assert.equal(asksForStereo(CHROMIUM.replace("minptime=10;", "minptime=10;sprop-stereo=1;")), false);
  assert.equal(asksForStereo(CHROMIUM.replace("111/111", "111/111;stereo=1")), false);
});

test("candidates are listed once for each address", () => {
  assert.deepEqual(candidates(ANSWER).map(addressOf), ["192.0.2.7:8080", "[2001:db8::7]:8080", "192.0.2.7:9 (TCP)"]);
  assert.deepEqual(candidates(ANSWER)[0], { address: "192.0.2.7", port: 8080, protocol: "udp", type: "host" });
  assert.deepEqual(candidates(CHROMIUM), []);
});

test("the name that the page was opened by joins the candidates, at their port and behind them", () => {
  const udp = ANSWER.split("\r\n").filter((line) => !line.includes(" tcp "));
  const answer = udp.join("\r\n");
  const named = withLocalName(answer, "Montage.local.").split("\r\n");
  const added = named.filter((line) => !udp.includes(line));
  assert.equal(added.length, 1);
  const [, priority] = /^a=candidate:local 1 udp (\d+) montage\.local 8080 typ host$/.exec(added[0] ?? "") ?? [];
  const priorities = udp.flatMap((line) => /^a=candidate:\S+ 1 udp (\d+) /.exec(line)?.[1] ?? []).map(Number);
  assert.ok(Number(priority) > 0 && Number(priority) < Math.min(...priorities));
  // In the m-line that has the others, before the end of candidates.
  assert.deepEqual(
    named.filter((line) => !added.includes(line)),
    udp,
  );
  assert.match(named[named.indexOf(added[0] ?? "") - 1] ?? "", /^a=candidate:/);
  assert.equal(candidates(named.join("\r\n")).at(-1)?.address, "montage.local");
  assert.equal(withLocalName(named.join("\r\n"), "montage.local"), named.join("\r\n"), "once");
  assert.equal(withLocalName(answer.replaceAll("\r\n", "\n"), "montage.local"), named.join("\n"));
});

test("the local name is last among those of UDP, and before those of TCP", () => {
  const tcp = "a=candidate:13 1 tcp 1518280447 192.0.2.7 8080 typ host tcptype passive";
  const answer = ANSWER.replace("a=end-of-candidates", `${tcp}\r\na=end-of-candidates`);
  const named = withLocalName(answer, "montage.local");
  const all = candidates(named);
  assert.equal(all.filter(({ protocol }) => protocol === "udp").at(-1)?.address, "montage.local");
  assert.ok(all.findIndex(({ address }) => address === "montage.local") < all.findIndex(({ protocol }) => protocol === "tcp"));
  const priority = Number(/^a=candidate:local 1 udp (\d+) /m.exec(named)?.[1]);
  assert.ok(priority > 1518280447);
  assert.equal(addressOf(/** @type {any} */ (all.at(-1))), "192.0.2.7:8080 (TCP)");
});

test("hosts that browsers do not resolve in candidates, and answers without one port, stay as they are", () => {
  for (const host of ["192.0.2.7", "[2001:db8::7]", "montage", "a.b.local", ".local", "music.example", "localhost", ""]) {
    assert.equal(withLocalName(ANSWER, host), ANSWER);
  }
  const none = ANSWER.split("\r\n").filter((line) => !line.startsWith("a=candidate"));
  assert.equal(withLocalName(none.join("\r\n"), "montage.local"), none.join("\r\n"));
  const two = ANSWER.replace(/192\.0\.2\.7 8080/g, "192.0.2.7 8081");
  assert.equal(withLocalName(two, "montage.local"), two);
});

test("an answer to a restart is the former one with the fragment's credentials and candidates", () => {
  const answer = [
    "v=0", "a=ice-lite", "m=audio 8080 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=ice-ufrag:old", "a=ice-pwd:oldold", "a=fingerprint:sha-256 AA",
    "a=candidate:1 1 udp 2130706431 192.0.2.7 8080 typ host", "a=end-of-candidates",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:1", "a=ice-ufrag:old", "a=ice-pwd:oldold", "",
  ].join("\r\n");
  const fragment = [
    "a=ice-lite", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", "a=ice-ufrag:new", "a=ice-pwd:newnew",
    "a=candidate:1 1 udp 2130706431 198.51.100.7 8080 typ host", "",
  ].join("\r\n");
  const restarted = restartedAnswer(answer, fragment) ?? "";
  assert.equal(restarted.match(/a=ice-ufrag:new\r\n/g)?.length, 2);
  assert.equal(restarted.match(/a=ice-pwd:newnew\r\n/g)?.length, 2);
  assert.deepEqual(candidates(restarted).map(addressOf), ["198.51.100.7:8080"]);
  assert.ok(!restarted.includes("old"));
  assert.equal(restartedAnswer(restarted, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"), null);
  const bare = fragment.replace(/a=candidate.*\r\n/, "");
  assert.deepEqual(candidates(restartedAnswer(answer, bare) ?? "").map(addressOf), ["192.0.2.7:8080"], "it keeps the addresses it had");
});
