import assert from "node:assert/strict";
import { test } from "node:test";

import { SERVER_UNREACHABLE, iceFailed, refused } from "../../../static/connection/problems.js";
import { ASK_MS, CAP_MS, FIRST_MS, SOON_MS, SPREAD_MS } from "../../../static/listen/backoff.js";
import { ANSWER_TIMEOUT_MS, INITIAL, QUIET_BUFFERING_MS, STEADY_MS, TRANSPORT_TIMEOUT_MS, stateOf, step } from "../../../static/listen/session.js";
import {
  DISCONNECTED_GRACE_MS,
  FIRST_SOUND_MS,
  MAX_RESTARTS,
  QUIET_ASK_MS,
  QUIET_RECONNECT_MS,
  QUIET_RESTART_MS,
  RESTART_PACE_MS,
} from "../../../static/listen/trouble.js";

/** @typedef {import("../../../static/listen/session.js").Session} Session */
/** @typedef {import("../../../static/listen/session.js").SessionEvent} SessionEvent */
/** @typedef {import("../../../static/listen/session.js").ConnectionEvent} ConnectionEvent */

/** A session on virtual time that keeps the effects it asked for. */
class Rig {
  nowMs = 1000;
  random = 1;
  /** @type {Session} */
  session = INITIAL;
  /** @type {string[]} */
  effects = [];

  /** @param {SessionEvent} event */
  send(event) {
    const { session, effects } = step(this.session, event, { nowMs: this.nowMs, random: this.random });
    this.session = session;
    this.effects.push(...effects.map((effect) => (effect.type === "close" ? "close" : `${effect.type} ${effect.generation}`)));
    return this;
  }

  /**
   * An event of the current connection.
   * @template {ConnectionEvent["type"]} T
   * @param {T} type
   * @param {Omit<Extract<ConnectionEvent, {type: T}>, "type" | "generation">} what
   */
  hear(type, what) {
    return this.send(/** @type {any} */ ({ type, generation: this.session.generation, ...what }));
  }

  /** @param {number} ms */
  wait(ms) {
    this.nowMs += ms;
    return this;
  }

  /** Waits until the session wants to be woken, and wakes it. */
  wake() {
    assert.notEqual(this.session.wakeAtMs, null);
    this.nowMs = /** @type {number} */ (this.session.wakeAtMs);
    return this.send({ type: "clock" });
  }

  connect() {
    return this.hear("answered", { addresses: ["192.0.2.7:8080"] }).hear("transport", { state: "connected" });
  }

  live() {
    return this.send({ type: "listen" }).connect().hear("media", { packets: 5, elapsedMs: 200 });
  }

  get phase() {
    return this.session.phase;
  }
}

test("listen, answer, connect, first packets: live", () => {
  const rig = new Rig().send({ type: "listen" });
  assert.equal(rig.phase, "connecting");
  assert.equal(rig.session.wakeAtMs, rig.nowMs + ANSWER_TIMEOUT_MS);
  rig.wait(100).hear("answered", { addresses: ["192.0.2.7:8080"] });
  assert.equal(rig.session.wakeAtMs, rig.nowMs + TRANSPORT_TIMEOUT_MS);
  rig.hear("transport", { state: "connected" });
  assert.equal(rig.phase, "buffering");
  assert.equal(rig.session.wakeAtMs, null);
  rig.hear("media", { packets: 0, elapsedMs: 200 });
  assert.equal(rig.phase, "buffering");
  rig.hear("media", { packets: 1, elapsedMs: 200 });
  assert.equal(rig.phase, "live");
  assert.deepEqual(rig.effects, ["open 1"]);
});

test("stop closes from every phase and forgets what was wrong", () => {
  const phases = [
    new Rig().send({ type: "listen" }),
    new Rig().send({ type: "listen" }).connect(),
    new Rig().live(),
    new Rig().live().hear("transport", { state: "closed" }),
    new Rig().send({ type: "listen" }).hear("refused", { problem: refused(404, "") }),
  ];
  assert.deepEqual(phases.map((rig) => rig.phase), ["connecting", "buffering", "live", "reconnecting", "failed"]);
  for (const rig of phases) {
    rig.send({ type: "stop" });
    assert.deepEqual(rig.session, { ...INITIAL, generation: 1 });
    assert.equal(rig.effects.at(-1), "close");
  }
});

test("events of an earlier connection change nothing", () => {
  const rig = new Rig().live().send({ type: "stop" }).send({ type: "listen" });
  const before = rig.session;
  for (const state of /** @type {const} */ (["connected", "failed", "closed"])) rig.send({ type: "transport", generation: 1, state });
  rig.send({ type: "refused", generation: 1, problem: refused(404, "") });
  rig.send({ type: "media", generation: 1, packets: 9, elapsedMs: 1000 });
  assert.equal(rig.session, before);
});

test("a room that does not exist is final; a full one is tried again when the server says", () => {
  const unknown = new Rig().send({ type: "listen" }).hear("refused", { problem: refused(404, "No such room.") });
  assert.equal(unknown.phase, "failed");
  assert.equal(unknown.session.wakeAtMs, null);
  assert.deepEqual(unknown.send({ type: "hurry" }).effects, ["open 1", "close"]);
  assert.deepEqual(unknown.send({ type: "listen" }).effects, ["open 1", "close", "open 2"]);

  const full = new Rig().send({ type: "listen" }).hear("refused", { problem: refused(503, "", 7000) });
  assert.equal(full.phase, "reconnecting");
  assert.equal(full.session.wakeAtMs, full.nowMs + 7000 + SPREAD_MS);
  assert.deepEqual(full.send({ type: "hurry" }).effects, ["open 1", "close"], "not before the server's time, whatever happens");
  assert.equal(full.wake().phase, "connecting");
});

test("failures wait longer and longer, up to the cap, and always one connection at a time", () => {
  const rig = new Rig().send({ type: "listen" });
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    rig.hear("transport", { state: "failed" });
    waits.push(/** @type {number} */ (rig.session.wakeAtMs) - rig.nowMs);
    rig.wake();
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16].map((n) => n * FIRST_MS).concat([CAP_MS, CAP_MS, CAP_MS]));
  assert.deepEqual(rig.effects, ["open 1", ...Array.from({ length: 8 }, (_, i) => ["close", `open ${i + 2}`]).flat()]);
});

test("only steady sound forgets earlier failures", () => {
  const rig = new Rig().live().hear("transport", { state: "closed" }).wake().connect();
  rig.hear("media", { packets: 9, elapsedMs: 200 });
  assert.equal(rig.session.attempt, 1);
  rig.wait(STEADY_MS - 1).hear("media", { packets: 100, elapsedMs: 1000 });
  assert.equal(rig.session.attempt, 1);
  rig.wait(1).hear("media", { packets: 100, elapsedMs: 1000 });
  assert.equal(rig.session.attempt, 0);
});

test("no answer is the server's silence; an answer without a path names the addresses", () => {
  assert.equal(new Rig().send({ type: "listen" }).wake().session.problem?.code, "server_unreachable");
  const rig = new Rig().send({ type: "listen" }).hear("answered", { addresses: ["192.0.2.7:8080"] }).wake();
  assert.deepEqual(rig.session.problem, iceFailed(["192.0.2.7:8080"]));
  const failed = new Rig().send({ type: "listen" }).hear("answered", { addresses: ["192.0.2.7:8080"] });
  assert.deepEqual(failed.hear("transport", { state: "failed" }).session.problem, iceFailed(["192.0.2.7:8080"]));
});

test("a clock that comes early changes nothing", () => {
  const rig = new Rig().send({ type: "listen" });
  const before = rig.session;
  assert.equal(rig.wait(ANSWER_TIMEOUT_MS - 1).send({ type: "clock" }).session, before);
});

test("missing packets are first buffering, then a new connection", () => {
  const rig = new Rig().live();
  rig.hear("media", { packets: 0, elapsedMs: QUIET_BUFFERING_MS - 1 });
  assert.equal(rig.phase, "live");
  rig.hear("media", { packets: 0, elapsedMs: 1 });
  assert.equal(rig.phase, "buffering");
  rig.hear("media", { packets: 3, elapsedMs: 200 });
  assert.equal(rig.phase, "live");
  assert.equal(rig.session.quietMs, 0);
  rig.hear("media", { packets: 0, elapsedMs: QUIET_RECONNECT_MS });
  assert.equal(rig.phase, "reconnecting");
  assert.equal(rig.session.problem?.code, "no_media");
});

test("while packets are missing the server is asked for the session, and only its answer ends it", () => {
  const rig = new Rig().live().hear("media", { packets: 0, elapsedMs: QUIET_ASK_MS - 1 });
  assert.deepEqual(rig.effects, ["open 1"]);
  rig.hear("media", { packets: 0, elapsedMs: 1 });
  assert.deepEqual(rig.effects, ["open 1", "ask 1"]);
  rig.hear("media", { packets: 0, elapsedMs: 100 });
  assert.deepEqual(rig.effects, ["open 1", "ask 1"], "one question at a time");
  for (const [found, waitMs] of /** @type {const} */ ([["there", ASK_MS], ["silent", SOON_MS]])) {
    rig.hear("asked", { found });
    assert.equal(rig.session.wakeAtMs, rig.nowMs + waitMs);
    rig.wake();
    assert.equal(rig.effects.pop(), "ask 1");
    assert.equal(rig.phase, "live");
  }
  rig.hear("asked", { found: "gone" });
  assert.equal(rig.phase, "connecting", "without any wait");
  assert.equal(rig.effects.pop(), "open 2");
  assert.equal(rig.session.problem?.code, "connection_lost");
});

test("packets that come again end the asking, whatever the server says afterwards", () => {
  const rig = new Rig().live().hear("media", { packets: 0, elapsedMs: QUIET_ASK_MS });
  rig.hear("media", { packets: 3, elapsedMs: 200 }).hear("asked", { found: "gone" });
  assert.equal(rig.phase, "live");
  assert.equal(rig.session.wakeAtMs, null);
  rig.hear("media", { packets: 0, elapsedMs: QUIET_ASK_MS }).hear("asked", { found: "silent" });
  assert.notEqual(rig.session.wakeAtMs, null);
  rig.hear("media", { packets: 3, elapsedMs: 200 });
  assert.equal(rig.session.wakeAtMs, null);
  assert.deepEqual(rig.effects, ["open 1", "ask 1", "ask 1"]);
});

test("a server that does not answer is asked for often at first", () => {
  const rig = new Rig().live().hear("transport", { state: "closed" });
  /** @type {number[]} */
  const waits = [];
  for (let i = 0; i < 20; i += 1) {
    waits.push(/** @type {number} */ (rig.session.wakeAtMs) - rig.nowMs);
    rig.wake().hear("refused", { problem: SERVER_UNREACHABLE });
  }
  assert.equal(waits[0], SOON_MS);
  assert.ok(waits.every((ms, at) => ms < 3 * SOON_MS && ms >= (waits[at - 1] ?? 0)));
});

test("a server that ends the session says when to come again", () => {
  const said = { message: "The sound is restarted." };
  const now = new Rig().live().hear("leaving", { reason: "sound_restarts", ...said, afterMs: 0 });
  assert.deepEqual(now.effects, ["open 1", "open 2"]);
  assert.equal(now.session.problem?.message, said.message);
  const later = new Rig().live().hear("leaving", { reason: "sound_restarts", ...said, afterMs: 700 });
  assert.deepEqual(later.effects, ["open 1", "close"]);
  assert.equal(later.session.wakeAtMs, later.nowMs + 700);
  assert.equal(later.wake().phase, "connecting");
});

test("a session that a performer ended is over until somebody presses the button", () => {
  const rig = new Rig().live().hear("leaving", { reason: "removed", message: "A performer removed you.", afterMs: 120_000 });
  assert.deepEqual([rig.session.phase, rig.session.wakeAtMs, rig.session.problem?.code], ["failed", null, "removed"]);
  assert.deepEqual(rig.effects, ["open 1", "close"]);
  assert.equal(step(rig.session, { type: "hurry" }, { nowMs: 1e6, random: 0 }).session.phase, "failed", "nor when the network is back");
  assert.equal(step(rig.session, { type: "listen" }, { nowMs: 1e6, random: 0 }).session.phase, "connecting");
});

test("who was removed from Studio, which was heard instead, is not taken to Listen", () => {
  const { session } = step(INITIAL, { type: "removed", message: "A performer removed you." }, { nowMs: 0, random: 0 });
  assert.deepEqual([session.phase, session.problem?.code], ["failed", "removed"]);
});

test("a server that announced its stop is back in a moment, until it has been away for long", () => {
  const rig = new Rig().live().hear("leaving", { reason: "server_stops", message: "It stops.", afterMs: 250 });
  const began = rig.nowMs;
  while (rig.session.problem?.code === "server_stops") rig.wake().hear("refused", { problem: SERVER_UNREACHABLE });
  assert.equal(rig.session.problem?.code, "server_unreachable");
  assert.ok(rig.nowMs - began > 15_000 && rig.nowMs - began < 60_000);
});

test("a page that slept long is not taken for a dead connection", () => {
  const rig = new Rig().live().wait(60_000).send({ type: "clock" });
  assert.equal(rig.phase, "live");
  rig.hear("media", { packets: 6000, elapsedMs: 60_000 });
  assert.equal(rig.phase, "live");
});

test("a short disconnection mends itself, a long one does not", () => {
  const rig = new Rig().live().hear("transport", { state: "disconnected" });
  assert.equal(rig.session.wakeAtMs, rig.nowMs + DISCONNECTED_GRACE_MS);
  const wakeAtMs = rig.session.wakeAtMs;
  assert.equal(rig.wait(1000).hear("transport", { state: "disconnected" }).session.wakeAtMs, wakeAtMs);
  rig.hear("transport", { state: "connected" });
  assert.equal(rig.session.wakeAtMs, null);
  assert.equal(rig.phase, "live");
  rig.hear("transport", { state: "disconnected" }).wake();
  assert.deepEqual(rig.effects, ["open 1", "ask 1"], "a server that has the session keeps it");
  const beganMs = rig.nowMs - DISCONNECTED_GRACE_MS;
  while (rig.phase === "live") {
    rig.hear("asked", { found: "silent" });
    if (rig.phase === "live") rig.wake();
  }
  assert.equal(rig.nowMs - beganMs, QUIET_RECONNECT_MS);
  assert.equal(rig.phase, "reconnecting");
  assert.equal(rig.session.problem?.code, "connection_lost");
});

test("a network that is away for ten seconds costs no session", () => {
  const rig = new Rig().live();
  for (let awayMs = 0; awayMs < 10_000; awayMs += 200) {
    rig.wait(200).hear("media", { packets: 0, elapsedMs: 200 });
    if (awayMs === 6000) rig.hear("transport", { state: "disconnected" });
    if (rig.session.asking && awayMs % 1000 === 0) rig.hear("asked", { found: "silent" });
    else if (rig.session.wakeAtMs !== null && rig.session.wakeAtMs <= rig.nowMs) rig.send({ type: "clock" });
  }
  rig.hear("transport", { state: "connected" }).hear("media", { packets: 900, elapsedMs: 200 });
  assert.equal(rig.phase, "live");
  assert.deepEqual(new Set(rig.effects), new Set(["open 1", "ask 1"]));
});

test("where the server has the session and no packet comes, ICE is restarted, at a pace and a few times", () => {
  const rig = new Rig().live();
  /** @type {number[]} */
  const restarts = [];
  while (rig.phase !== "reconnecting") {
    rig.wait(100).hear("media", { packets: 0, elapsedMs: 100 });
    if (rig.session.asking) {
      const { effects } = rig;
      if (effects.at(-1) === "restart 1" && restarts.at(-1) !== rig.session.restartedAtMs) restarts.push(rig.session.restartedAtMs);
      rig.hear("asked", { found: "there" });
    } else if (rig.session.wakeAtMs !== null && rig.session.wakeAtMs <= rig.nowMs) rig.send({ type: "clock" });
  }
  const first = /** @type {number} */ (restarts[0]) - 1000;
  assert.ok(first >= QUIET_RESTART_MS && first <= QUIET_RESTART_MS + 500, `${first}`);
  assert.equal(restarts.length, MAX_RESTARTS);
  restarts.slice(1).forEach((atMs, at) => assert.ok(atMs - /** @type {number} */ (restarts[at]) >= RESTART_PACE_MS));
  assert.equal(rig.nowMs - 1000, QUIET_RECONNECT_MS);
  assert.equal(rig.session.problem?.code, "no_media");
});

test("a transport that failed is restarted at once, and given up when that was done often enough", () => {
  const rig = new Rig().live().hear("transport", { state: "failed" }).hear("asked", { found: "there" });
  assert.deepEqual(rig.effects, ["open 1", "ask 1", "restart 1"]);
  rig.hear("asked", { found: "there" }).hear("transport", { state: "connected" });
  assert.equal(rig.session.wakeAtMs, null);
  for (let i = 1; i < MAX_RESTARTS; i += 1) {
    rig.wait(RESTART_PACE_MS).hear("transport", { state: "failed" }).hear("asked", { found: "there" }).hear("asked", { found: "there" });
    rig.hear("transport", { state: "connected" });
  }
  assert.equal(rig.session.restarts, MAX_RESTARTS);
  assert.equal(rig.hear("transport", { state: "failed" }).phase, "reconnecting");
  const steady = new Rig().live().hear("transport", { state: "failed" }).hear("asked", { found: "there" });
  steady.hear("transport", { state: "connected" }).wait(STEADY_MS).hear("media", { packets: 9, elapsedMs: 1000 });
  assert.equal(steady.session.restarts, 0, "steady sound forgets them");
});

test("a connection that never had a packet is given up sooner", () => {
  const rig = new Rig().send({ type: "listen" }).connect().hear("media", { packets: 0, elapsedMs: FIRST_SOUND_MS });
  assert.equal(rig.phase, "reconnecting");
  const parted = new Rig().send({ type: "listen" }).connect().hear("transport", { state: "disconnected" }).wake();
  assert.equal(parted.phase, "reconnecting");
});

test("when the network is back it does not wait", () => {
  const waiting = new Rig().live().hear("transport", { state: "closed" }).send({ type: "hurry" });
  assert.deepEqual(waiting.effects, ["open 1", "close", "open 2"]);
  const broken = new Rig().live().hear("transport", { state: "disconnected" }).send({ type: "hurry" });
  assert.deepEqual(broken.hear("asked", { found: "there" }).effects, ["open 1", "ask 1", "restart 1"]);
  assert.deepEqual(broken.hear("asked", { found: "gone" }).effects.at(-1), "open 2");
  const healthy = new Rig().live();
  assert.equal(healthy.send({ type: "hurry" }).phase, "live");
  assert.deepEqual(new Rig().send({ type: "hurry" }).effects, []);
});

test("a missing tap is a state of its own, whatever the transport does", () => {
  const rig = new Rig().send({ type: "listen" }).hear("playback", { blocked: true });
  assert.equal(stateOf(rig.session), "connecting");
  rig.connect();
  assert.equal(stateOf(rig.session), "blocked");
  rig.hear("media", { packets: 5, elapsedMs: 200 });
  assert.equal(stateOf(rig.session), "blocked");
  rig.hear("playback", { blocked: false });
  assert.equal(stateOf(rig.session), "live");
});

test("sessions are frozen: only the reducer makes new ones", () => {
  assert.ok(Object.isFrozen(INITIAL));
  assert.ok(Object.isFrozen(new Rig().live().session));
});
