// @ts-check
/**
 * The test page: what this browser has, and by which ways it reaches the server, with a result to be copied into a bug report.
 *
 * For tests and tools these names are stable: #checks with an item of each test, [data-testid="check-udp"], whose data-state is
 * "waits", "good", "warn", "bad" or "none"; #check-status[data-done] ("yes" once all are through); #report, the result as text;
 * #copy, #again.
 */

import "../ui/translate.js";
import { roomWhep } from "../connection/server.js";
import { authorization, takeToken } from "../connection/token.js";
import { byId, setText } from "../ui/dom.js";
import { featuresOf } from "./browser.js";
import { askClock } from "./clock.js";
import { TestSession } from "./line.js";
import { browserName, pageVersion, reportText } from "./report.js";
import { findRoom, roomIn } from "./rooms.js";
import { say } from "../words/check.js";
import * as judge from "./verdicts.js";
import { CheckList } from "./view.js";

/** @typedef {import("./verdicts.js").Line} Line */
/** @typedef {import("./verdicts.js").TestId} TestId */
/** @typedef {import("./verdicts.js").Way} Way */
/** @typedef {import("./line.js").WayName} WayName */

/** How long the line is listened to: ten seconds, or as the address says, "?seconds=60". */
const SECONDS = Math.min(600, Math.max(1, Math.round(Number(new URLSearchParams(location.search).get("seconds"))) || 10));

const list = new CheckList();
const status = byId("check-status", HTMLElement);
const report = byId("report", HTMLTextAreaElement);
const copy = byId("copy", HTMLButtonElement);
const again = byId("again", HTMLButtonElement);
/** @type {Map<TestId, Line>} */
const lines = new Map();
/** @type {TestSession | null} */
let open = null;

again.addEventListener("click", () => run());
copy.addEventListener("click", () => copyReport());
addEventListener("pagehide", () => open?.close());
run();

/** @param {TestId} id @param {Line} line */
function tell(id, line) {
  lines.set(id, line);
  list.show(id, line);
}

async function run() {
  begin();
  const features = await featuresOf(globalThis);
  tell("webrtc", judge.webrtcLine(features));
  tell("secure", judge.secureLine(features, location.origin));
  tell("worklet", judge.workletLine(features));
  tell("transform", judge.transformLine(features));
  tell("midi", judge.midiLine(features));
  const clock = await askClock();
  tell("server", judge.serverLine(clock?.roundTripMs ?? null));
  tell("clock", judge.clockLine(clock));
  const wanted = roomIn(location.search);
  if (wanted !== null) takeToken(wanted);
  const { room, rights } = await findRoom(wanted);
  const token = room !== null && "Authorization" in authorization(roomWhep(room));
  tell("access", judge.accessLine(rights, room !== null, token));
  await tryWays(room === null ? null : roomWhep(room), features);
  finish();
}

function begin() {
  lines.clear();
  again.disabled = copy.disabled = true;
  byId("result", HTMLElement).hidden = true;
  status.dataset.done = "no";
  setText(status, say("takes", { seconds: SECONDS + 5 }));
  for (const id of judge.TESTS) list.show(id, { state: "waits", found: null });
}

/**
 * @param {string | null} url of the endpoint of a room
 * @param {import("./verdicts.js").Features} features
 */
async function tryWays(url, features) {
  /** @type {Map<WayName, Way>} */
  const ways = new Map();
  /** @type {TestSession | null} the session by the best way, whose place the other ones take for a moment */
  let best = null;
  for (const name of /** @type {WayName[]} */ (["udp", "tcp", "turn"])) {
    if (url === null || !features.webrtc) {
      ways.set(name, { kind: features.webrtc ? "no_room" : "no_webrtc" });
      continue;
    }
    const session = (open = new TestSession(url, name));
    const way = await session.open(best?.id ?? "");
    ways.set(name, way);
    if (way.kind === "connected" && best === null) best = session;
    else session.close();
    open = best;
  }
  for (const [name, way] of ways) {
    const others = [...ways].some(([other, { kind }]) => other !== name && kind === "connected");
    tell(name, judge.wayLine(name, way, others));
  }
  const measured = (await best?.measure(SECONDS, (done) => setText(status, say("listening", { seconds: SECONDS - done })))) ?? null;
  tell("jitter", judge.jitterLine(measured));
  tell("opus", judge.opusLine(features, (await best?.decoded()) ?? false));
  best?.close();
  open = null;
}

function finish() {
  const states = [...lines.values()].map(({ state }) => state);
  const wrong = states.filter((state) => state === "bad").length;
  const doubtful = states.filter((state) => state === "warn").length;
  const n = wrong + doubtful;
  setText(status, n === 0 ? say("done.good") : say("done", { n, all: states.length }));
  // In the order of the page, whichever was done first.
  const ordered = new Map(
    judge.TESTS.flatMap((id) => {
      const line = lines.get(id);
      return line ? [/** @type {[TestId, Line]} */ ([id, line])] : [];
    }),
  );
  report.value = reportText(ordered, { browser: browserName(navigator.userAgent), version: pageVersion(import.meta.url), at: new Date() });
  report.rows = ordered.size + 4;
  byId("result", HTMLElement).hidden = false;
  again.disabled = copy.disabled = false;
  status.dataset.done = "yes";
}

async function copyReport() {
  const note = byId("copy-note", HTMLElement);
  try {
    await navigator.clipboard.writeText(report.value);
    setText(note, say("copied"));
  } catch {
    // No secure page, or no permission.
    report.focus();
    report.select();
    setText(note, say(document.execCommand("copy") ? "copied" : "by-hand"));
  }
}
