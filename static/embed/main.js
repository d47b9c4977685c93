// @ts-check
/**
 * The small player that other sites show in a frame: a button, a meter and the room's name. It only wires what the room's page has, too.
 *
 * For tests and tools: `window.rtcserver.state`, as on the room's page; #listen[data-action], #headline, #detail, #room-title,
 * #meter-left and #meter-right, whose aria-valuenow is dBFS.
 */

import "../ui/translate.js";
import { haveIceServers, iceServers } from "../connection/ice-servers.js";
import { Watch, readRoom } from "../connection/room.js";
import { roomApi, roomPage, roomWhep } from "../connection/server.js";
import { takeToken } from "../connection/token.js";
import { FLOOR_DB } from "../listen/levels.js";
import { Listener } from "../listen/listener.js";
import { StereoMeter } from "../listen/meters.js";
import { Playback } from "../listen/playback.js";
import { stateOf } from "../listen/session.js";
import { byId, setText } from "../ui/dom.js";
import { describe } from "../ui/words.js";
import { say } from "../words/room.js";

/** How often the meter is read while it is to be seen, in milliseconds. */
const METER_MS = 50;

const room = decodeURIComponent(/\/r\/([^/]+)\/embed\/?$/.exec(location.pathname)?.[1] ?? "main");
takeToken(room);
/** @type {import("../ui/words.js").AskedRoom} */
let asked = { kind: "asking" };
/** @type {ReturnType<typeof setInterval> | undefined} */
let metering;
const knob = byId("listen", HTMLButtonElement);
const bars = [byId("meter-left", HTMLElement), byId("meter-right", HTMLElement)];
const meter = new StereoMeter();
const playback = new Playback(byId("audio", HTMLAudioElement), (blocked) => listener.playback(blocked));
const output = {
  /** @param {MediaStream} stream */
  play(stream) {
    const playing = playback.play(stream);
    meter.attach(stream);
    return playing;
  },
  stop() {
    meter.detach();
    playback.stop();
  },
};
const listener = new Listener(roomWhep(room), output, show, () => {}, () => ({ close() {} }));

byId("whole", HTMLAnchorElement).href = roomPage(room);
knob.addEventListener("click", press);
addEventListener("pagehide", () => listener.stop());
new Watch(roomApi(room), readRoom, (answer) => {
  if (answer.kind === "unreachable" && asked.kind === "known" && listener.session.phase !== "idle") return;
  asked = answer;
  show();
});
if (haveIceServers()) iceServers(roomWhep(room));
Object.defineProperty(window, "rtcserver", {
  value: Object.freeze({
    get state() {
      return stateOf(listener.session);
    },
  }),
});
show();

function press() {
  meter.resume();
  const state = stateOf(listener.session);
  if (state === "idle" || state === "failed") listener.listen();
  else if (state === "blocked") playback.resume().then((blocked) => listener.playback(blocked));
  else listener.stop();
}

function show() {
  const words = describe(listener.session, asked, room);
  const title = asked.kind === "known" ? asked.value.title : room;
  setText(byId("room-title", HTMLElement), title);
  document.title = `${title} · rtcserver`;
  document.body.dataset.tone = words.tone;
  setText(byId("headline", HTMLElement), words.headline);
  // What to do is said where something is to be done.
  const told = words.tone === "bad" || words.tone === "warn" ? words.detail : "";
  const detail = byId("detail", HTMLElement);
  setText(detail, told);
  detail.hidden = told === "";
  knob.dataset.action = words.action;
  knob.setAttribute("aria-label", `${say(`action.${words.action}`)}, ${title}`);
  const sounding = listener.session.phase === "live";
  clearInterval(metering);
  if (sounding) metering = setInterval(level, METER_MS);
  else for (const bar of bars) set(bar, FLOOR_DB);
}

function level() {
  if (document.hidden) return;
  set(/** @type {HTMLElement} */ (bars[0]), meter.read(0));
  set(/** @type {HTMLElement} */ (bars[1]), meter.read(1));
}

/** @param {HTMLElement} bar @param {number} db */
function set(bar, db) {
  const shown = Math.min(0, Math.max(FLOOR_DB, Math.round(db)));
  const text = String(shown);
  if (bar.getAttribute("aria-valuenow") === text) return;
  bar.setAttribute("aria-valuenow", text);
  const inside = /** @type {HTMLElement} */ (bar.firstElementChild);
  inside.style.transform = `scaleX(${1 - shown / FLOOR_DB})`;
}
