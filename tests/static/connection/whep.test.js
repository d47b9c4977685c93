// @ts-check
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Ready } from "../../../static/connection/ready.js";
import { WhepConnection, transportState } from "../../../static/connection/whep.js";
import { Peer } from "./peer.js";

test("ICE and DTLS are one state, with and without connectionState", () => {
  assert.equal(transportState("connected", "connecting"), "connecting");
  assert.equal(transportState("connected", "connected"), "connected");
  assert.equal(transportState("connected", "failed"), "failed");
  assert.equal(transportState("disconnected", "connected"), "disconnected");
  assert.equal(transportState("completed", undefined), "connected");
  assert.equal(transportState("checking", undefined), "connecting");
  assert.equal(transportState("closed", undefined), "closed");
  assert.equal(transportState("connected", "connected", "connected"), "connected");
  // The server said goodbye: for the connection as a whole, a closed DTLS transport still counts as connected.
  assert.equal(transportState("connected", "connected", "closed"), "closed");
});

const ANSWER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:old\r\na=ice-pwd:oldold\r\n";
const FRAGMENT = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:new\r\na=ice-pwd:newnew\r\n";
const LINK = '<turn:192.0.2.9:3478>; rel="ice-server"; username="17:a"; credential="c="; credential-type="password"';

const scope = /** @type {any} */ (globalThis);
const { fetch, RTCPeerConnection } = scope;
/** @type {{method: string, body: string, tag: string}[]} what was asked for */
let asked = [];
/** Statuses of the next answers to PATCH; 200 if there is none. @type {number[]} */
let statuses = [];

beforeEach(() => {
  asked = [];
  statuses = [];
  Peer.made = [];
  scope.RTCPeerConnection = Peer;
  /** @param {string} url @param {any} init */
  scope.fetch = async (url, { method, body = "", headers = {} }) => {
    asked.push({ method, body, tag: headers["If-Match"] ?? "" });
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { Link: LINK } });
    if (method === "DELETE") return new Response("");
    const status = method === "PATCH" ? (statuses.shift() ?? 200) : 201;
    const tags = { ETag: `"${asked.length}"`, Location: "http://host/r/main/whep/1" };
    const response = new Response(status === 201 ? ANSWER : status === 200 ? FRAGMENT : null, { status, headers: tags });
    return Object.defineProperty(response, "url", { value: url });
  };
});
afterEach(() => {
  Object.assign(scope, { fetch, RTCPeerConnection });
  delete scope.document;
});

/** @param {string} name of the room */
async function connected(name) {
  const ignore = () => {};
  const connection = new WhepConnection(`http://host/r/${name}/whep`, { answered: ignore, refused: ignore, transport: ignore, stream: ignore });
  await connection.open();
  return connection;
}

test("a page that was not told of servers asks for none", async () => {
  (await connected("plain")).close();
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "DELETE"]);
  assert.deepEqual(Peer.made[0]?.configuration.iceServers, []);
});

test("a page that was told of servers has them before its offer, and asks once for two connections", async () => {
  scope.document = { querySelector: () => ({}) };
  (await connected("turned")).close();
  (await connected("turned")).close();
  assert.deepEqual(asked.map(({ method }) => method), ["OPTIONS", "POST", "DELETE", "POST", "DELETE"]);
  const [first] = Peer.made;
  assert.deepEqual(first?.configuration.iceServers, [{ urls: "turn:192.0.2.9:3478", username: "17:a", credential: "c=" }]);
});

test("a restart gives the server the new credentials, and takes its own into the answer", async () => {
  const connection = await connected("restarted");
  assert.equal(await connection.restart(), "there");
  const [peer] = Peer.made;
  assert.deepEqual(asked[1], { method: "PATCH", tag: '"1"', body: asked[1]?.body });
  assert.match(asked[1]?.body ?? "", /a=ice-ufrag:mine2\r\na=ice-pwd:secret2\r\n/);
  assert.match(peer?.currentRemoteDescription?.sdp ?? "", /a=ice-ufrag:new\r\na=ice-pwd:newnew/);
  assert.equal(await connection.restart(), "there");
  assert.equal(asked[2]?.tag, '"2"', "the tag of the generation before");
});

test("a restart that the server refuses, or does not answer, leaves all as it was", async () => {
  const connection = await connected("refused");
  const [peer] = Peer.made;
  for (const [status, found] of /** @type {const} */ ([[429, "there"], [412, "there"], [503, "silent"], [404, "gone"]])) {
    statuses = [status];
    assert.equal(await connection.restart(), found);
    assert.equal(peer?.signalingState, "stable");
    assert.match(peer?.currentRemoteDescription?.sdp ?? "", /a=ice-ufrag:old/);
  }
  assert.equal(asked[3]?.tag, "*", "after a tag that does not fit, whose answer was lost");
});

/** @param {() => boolean} [wanted] */
function ready(wanted = () => true) {
  scope.document ??= { querySelector: () => null, hidden: false };
  scope.addEventListener ??= () => {};
  scope.navigator ??= {};
  return new Ready("http://host/r/ready/whep", wanted);
}

/** @param {Ready} from @param {string[]} [refused] */
async function press(from, refused = []) {
  /** @type {any} */
  const seen = {};
  const connection = new WhepConnection(
    "http://host/r/ready/whep",
    { answered: () => (seen.answered = true), refused: ({ code }) => refused.push(code), transport: () => {}, stream: () => {} },
    { prepare: (peer, _, channels) => Object.assign(seen, { peer, channels }) },
    from.take(),
  );
  await connection.open();
  return { connection, seen };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("a press uses the offer that was prepared, with its channels, and asks nobody before", async () => {
  const page = ready();
  page.prepare();
  page.prepare();
  await settled();
  assert.equal(asked.length, 0);
  assert.equal(Peer.made.length, 1);
  const { connection, seen } = await press(page);
  assert.equal(seen.peer, Peer.made[0]);
  assert.deepEqual(Object.keys(seen.channels), ["midi", "telemetry"]);
  assert.equal(seen.answered, true);
  assert.deepEqual(asked.map(({ method }) => method), ["POST"]);
  assert.equal(asked[0]?.body, Peer.made[0]?.localDescription?.sdp);
  assert.equal(page.take(), null, "an offer is used once");
  connection.close();
  page.close();
});

test("a touch asks the server once, and the press that follows takes its answer", async () => {
  const page = ready();
  page.ask();
  page.ask();
  await settled();
  assert.deepEqual(asked.map(({ method }) => method), ["POST"]);
  const { connection, seen } = await press(page);
  assert.equal(seen.answered, true);
  connection.close();
  await settled();
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "DELETE"]);
  page.close();
});

test("a touch that no press follows gives its session up, and the next press makes an offer of its own", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = ready();
  page.ask();
  for (let turn = 0; turn < 20; turn += 1) await null;
  context.mock.timers.tick(999);
  assert.equal(Peer.made[0]?.closed, false);
  context.mock.timers.tick(1);
  for (let turn = 0; turn < 20; turn += 1) await null;
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "DELETE"]);
  assert.equal(Peer.made[0]?.closed, true);
  assert.equal(page.take(), null);
  page.close();
});

test("an offer that gets old is closed, and so is one that nobody can use", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = ready();
  page.prepare();
  context.mock.timers.tick(120_000);
  assert.equal(Peer.made[0]?.closed, true);
  page.prepare();
  page.close();
  assert.equal(Peer.made[1]?.closed, true);
  page.prepare();
  assert.equal(Peer.made.length, 2);
});

test("nothing is prepared while a connection is there, while the page is hidden, or where relays would be asked", () => {
  const page = ready(() => false);
  page.prepare();
  page.ask();
  scope.document = { querySelector: () => null, hidden: true };
  ready().prepare();
  scope.document = { querySelector: () => ({}), hidden: false };
  ready().prepare();
  assert.deepEqual([Peer.made.length, asked.length], [0, 0]);
});

test("an offer that fails, and a server that is away at the touch, are told to whoever presses", async () => {
  const failing = ready();
  Peer.fails = true;
  failing.prepare();
  await settled();
  assert.equal(failing.take(), null);
  Peer.fails = false;
  const page = ready();
  scope.fetch = async () => {
    throw new TypeError("no route");
  };
  page.ask();
  await settled();
  const refused = /** @type {string[]} */ ([]);
  await press(page, refused);
  assert.deepEqual(refused, ["server_unreachable"]);
  page.close();
});

test("a server that refuses at the touch is heard", async () => {
  const page = ready();
  scope.fetch = async () => Object.defineProperty(new Response('{"error":{"code":"room_full","message":"Full."}}', { status: 503 }), "url", { value: "http://host/" });
  page.ask();
  const refused = /** @type {string[]} */ ([]);
  await press(page, refused);
  assert.equal(refused.length, 1);
  page.close();
});
