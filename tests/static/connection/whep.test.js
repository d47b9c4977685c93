// @ts-check
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { WhepConnection, transportState } from "../../../static/connection/whep.js";

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

/** An RTCPeerConnection as far as signaling needs one: each offer has credentials of its own. */
class Peer extends EventTarget {
  static made = /** @type {Peer[]} */ ([]);
  iceGatheringState = "complete";
  signalingState = "stable";
  /** @type {{type: string, sdp: string} | null} */
  localDescription = null;
  /** @type {{type: string, sdp: string} | null} */
  currentRemoteDescription = null;
  offers = 0;
  /** @type {any} */
  configuration;

  /** @param {any} configuration */
  constructor(configuration) {
    super();
    this.configuration = configuration;
    Peer.made.push(this);
  }

  addTransceiver() {
    return {};
  }

  getReceivers() {
    return [];
  }

  getConfiguration() {
    return this.configuration;
  }

  /** @param {any} configuration */
  setConfiguration(configuration) {
    this.configuration = configuration;
  }

  async createOffer() {
    this.offers += 1;
    return { sdp: `v=0\r\na=ice-ufrag:mine${this.offers}\r\na=ice-pwd:secret${this.offers}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n` };
  }

  /** @param {any} description */
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = "have-local-offer";
  }

  /** @param {any} description */
  async setRemoteDescription(description) {
    this.signalingState = "stable";
    if (description.type === "answer") this.currentRemoteDescription = description;
  }

  close() {}
}

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
