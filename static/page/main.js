// @ts-check
/**
 * The room page. This module only wires the others together.
 *
 * For tests and tools these names are stable:
 *
 *   window.rtcserver.state      "idle" | "connecting" | "buffering" | "live" | "blocked" | "reconnecting" | "failed"
 *   window.rtcserver.session    the whole session (listen/session.js, type Session), frozen
 *   window.rtcserver.midi       role, performer, session (its public name), playable, lit(), events, counters, heardAt(ms), mediaAt(ms), press(note, velocity),
 *                               release(note): see stage/stage.js; keys are [data-testid="key-21"] to "key-108"
 *   window.rtcserver.stats()    the last reading of the statistics (listen/stats.js, type Snapshot), or null
 *   window.rtcserver.studio     Studio: state (studio/session.js, Phase), session, choice (which quality, and why), pin(quality), stats(), record(frames), support
 *   window.rtcserver.room       what the server last said about the room (connection/room.js, type Room), or null
 *
 *   #listen                     the one big button; data-action is "Listen", "Stop", "Tap to hear" or "Try again"
 *   #status[data-state]         the state, or "silent" (live, but the instrument gives nothing), "unreachable" or "refused"
 *   #headline #detail           the state in words; #countdown the seconds; #addresses where the media was tried
 *   #hurry                      "Try now", while it waits to reconnect
 *   #other-player               where WebRTC finds no way: #other-audio plays the room by HTTP, #other-link is for other players
 *   #meter-left #meter-right    peak levels in dBFS; aria-valuenow is the number (−70 is silence)
 *   #quality                    what to be sent: "", "high", "middle" or "low"; #quality-now what is sent, where that is another
 *   #volume #mute #awake        controls; #audio the element that plays, its srcObject is the stream
 *   #stat-…                     buffer target gap gap-last lost lost-share packets rtt jitter path bitrate frames codec channels
 *   #room-title #instrument #listeners
 *
 * Each of the controls and figures has a data-testid of the same name. `?listen` in the address starts by
 * itself, `?studio` in Studio, `?studio=exact` and `?studio=light` hold one of its qualities.
 */

import "../ui/translate.js";
import { haveIceServers, iceServers } from "../connection/ice-servers.js";
import { Ready } from "../connection/ready.js";
import { Watch, readRoom, roomFromPath } from "../connection/room.js";
import { roomApi, roomWhep } from "../connection/server.js";
import { Listener } from "../listen/listener.js";
import { StereoMeter } from "../listen/meters.js";
import { Playback } from "../listen/playback.js";
import { INITIAL, stateOf } from "../listen/session.js";
import { HANDING_ON_MS } from "../stage/heard.js";
import { Stage } from "../stage/stage.js";
import { ArrivalView } from "../ui/arrival.js";
import { Dial } from "../ui/dial.js";
import { byId } from "../ui/dom.js";
import { History } from "../ui/history.js";
import { wireHotKeys } from "../ui/hot-keys.js";
import { LevelFigures, Numbers } from "../ui/numbers.js";
import { OtherPlayer } from "../ui/other-player.js";
import { Panel } from "../ui/panel.js";
import { QualityControl } from "../ui/quality.js";
import { StudioPanel } from "../ui/studio-panel.js";
import { VolumeControl } from "../ui/volume.js";
import { DeskDoor } from "./desk-door.js";
import { offerApp } from "./install.js";
import { MediaKeys } from "./media-keys.js";
import { OwnSound } from "./own-sound.js";
import { takeResumes } from "./reload.js";
import { ScreenLock } from "./screen.js";
import { loadSettings, saveSettings } from "./settings.js";
import { wireShare } from "./share-door.js";
import { StudioDoor } from "./studio-door.js";

/** @typedef {import("../ui/words.js").AskedRoom} AskedRoom */

const roomName = roomFromPath(location.pathname) ?? "main";
let settings = loadSettings();
/** @type {AskedRoom} */
let asked = { kind: "asking" };
let wasListening = false;
let shownStudio = false;

const panel = new Panel(roomName);
const otherPlayer = new OtherPlayer(roomName, () => listener.stop());
const arrival = new ArrivalView((verdict) => panel.arrives(verdict));
const numbers = new Numbers();
const levels = new LevelFigures();
const history = new History(byId("history", HTMLCanvasElement));
const meter = new StereoMeter();
const screenLock = new ScreenLock();
const mediaKeys = new MediaKeys({ play: begin, stop: end });
const own = new OwnSound(settings, remember);
const playback = new Playback(byId("audio", HTMLAudioElement), (blocked) => listener.playback(blocked));
/** What the page shows while Studio plays and Listen rests. */
const STUDIO_LIVE = Object.freeze({ ...INITIAL, phase: /** @type {const} */ ("live"), heard: true });
const dial = new Dial(
  byId("dial", HTMLCanvasElement),
  (side) => (studio.sounding ? studio.read(side) : meter.read(side)),
  (left, right) => levels.show(left, right),
);

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

/** Output latency that is assumed where the browser does not say it. */
const USUAL_LATENCY_MS = 20;
const stage = new Stage(roomName, () => meter.outputLatencyMs ?? USUAL_LATENCY_MS);
new DeskDoor(roomName, () => stage.handle.session);
/** Whether a press begins a connection. @returns {boolean} */
const rests = () => ["idle", "failed"].includes(stateOf(listener.session)) && !studio.sounding;
const ready = new Ready(roomWhep(roomName), rests);
const listener = new Listener(
  roomWhep(roomName),
  output,
  show,
  (snapshot, counters) => {
    const frameMs = quality.frameMs || (room()?.frameMs ?? 0);
    numbers.show(snapshot, frameMs);
    history.add(snapshot);
    own.show(snapshot);
    if (!studio.sounding) showArrival(snapshot, frameMs);
    stage.report(counters);
  },
  (peer, channels) => {
    own.follow(peer);
    return quality.follow(stage.attach(peer, channels));
  },
  ready,
);

listener.instead = () => studio.id;
/** @type {import("../studio/quality.js").Pin | null} the quality that the address asks for */
let held = null;
const plays = () => stage.handle.role === "performer";
const studio = new StudioDoor(
  {
    url: roomWhep(roomName),
    listen: {
      sounding: () => stateOf(listener.session) === "live",
      start: () => listener.listen(),
      stop: () => listener.stop(),
      removed: (message) => listener.removed(message),
      setShare: (share) => playback.setShare(share),
      rate: () => room()?.instrument.rate ?? 0,
      figures: () => listener.snapshot,
      session: () => listener.id,
    },
    stage: { attach: (peer, channels) => stage.attach(peer, channels), setPlayout: (playout) => stage.setPlayout(playout) },
    tell: showStudio,
    add: (figures) => studioPanel.add(figures),
    plays,
    pinned: (chosen) => {
      held = null;
      remember({ studio: chosen });
      pin();
    },
    placed: (safety) => remember({ safety }),
  },
  settings.safety,
);
studio.setVolume(settings.volume, settings.muted);
const quality = new QualityControl(settings.quality, (chosen) => remember({ quality: chosen }));
const studioPanel = new StudioPanel(studio, () => studio.load());

new VolumeControl(settings, playback.volumeWorks, ({ volume, muted }) => {
  playback.setVolume(volume, muted);
  studio.setVolume(volume, muted);
  remember({ volume, muted });
});
playback.setVolume(settings.volume, settings.muted);

wireKnob();
wireHotKeys(press);
offerApp(roomName);
byId("hurry", HTMLButtonElement).addEventListener("click", () => listener.hurry());
wireScreenLock();
wireShare(roomName, () => room()?.title ?? roomName);

// Leaving the page leaves the room; a page that comes back from the browser's cache listens again if it did before.
addEventListener("pagehide", () => {
  wasListening = listener.session.phase !== "idle" || studio.sounding;
  studio.stop();
  listener.stop();
});
addEventListener("pageshow", ({ persisted }) => persisted && wasListening && listener.listen());

new Watch(roomApi(roomName), readRoom, (answer) => {
  // While the server is away the page keeps showing what was known; only an idle page says that the server is unreachable.
  const keep = answer.kind === "unreachable" && asked.kind === "known" && listener.session.phase !== "idle";
  if (keep) return;
  // A room that was there and is there no more has ended; it was never a wrong address.
  const was = asked.kind === "known" || (asked.kind === "missing" && asked.ended);
  asked = answer.kind === "missing" ? { kind: "missing", ended: was } : answer;
  show();
});

Object.defineProperty(window, "rtcserver", {
  value: Object.freeze({
    get state() {
      return stateOf(listener.session);
    },
    get session() {
      return listener.session;
    },
    get room() {
      return room();
    },
    stats: () => listener.snapshot,
    midi: stage.handle,
    studio: Object.freeze({
      get state() {
        return studio.session.phase;
      },
      get session() {
        return studio.session;
      },
      stats: () => studio.stats,
      record: (/** @type {number} */ frames) => studio.record(frames),
      get choice() {
        return studio.choice;
      },
      pin: (/** @type {import("../studio/quality.js").Pin} */ chosen) => {
        held = chosen;
        pin();
      },
      support: studio.support,
    }),
  }),
});

// They are asked for before anybody presses Listen, which then has not to wait for them.
if (haveIceServers()) iceServers(roomWhep(roomName));
show();
const start = new URLSearchParams(location.search);
const asks = start.get("studio");
if (asks === "exact" || asks === "light") held = asks;
pin();
const resumes = takeResumes();
if (start.has("studio") || resumes === "studio") studio.choose();
// A press that came before this module was there (first.js).
const { dataset } = document.documentElement;
const pressed = dataset.pressed !== undefined;
dataset.ready = "";
if (pressed) press();
else if (start.has("studio") || start.has("listen") || resumes) listener.listen();
else setTimeout(() => ready.prepare());

function wireKnob() {
  const knob = byId("listen", HTMLButtonElement);
  knob.addEventListener("click", press);
  for (const near of ["pointerenter", "focus"]) knob.addEventListener(near, () => ready.prepare());
  knob.addEventListener("pointerdown", ({ isPrimary, button }) => isPrimary && button === 0 && ready.ask());
  knob.addEventListener("keydown", ({ key, repeat }) => !repeat && (key === " " || key === "Enter") && ready.ask());
}

function press() {
  meter.resume();
  const state = studio.sounding ? "live" : stateOf(listener.session);
  if (state === "idle" || state === "failed" || state === "blocked") begin();
  else end();
}

function begin() {
  if (studio.sounding) return;
  switch (stateOf(listener.session)) {
    case "idle":
    case "failed":
      listener.listen();
      // While the server answers there is time for it.
      setTimeout(() => meter.prepare());
      break;
    case "blocked":
      playback.resume().then((blocked) => listener.playback(blocked));
      break;
    case "reconnecting":
      listener.hurry();
  }
}

function end() {
  studio.stop();
  listener.stop();
  show();
}

/** Only performers hold a quality, or an address that names one. */
function pin() {
  studio.pin(held ?? (plays() ? settings.studio : "automatic"));
}

/**
 * @param {import("../listen/stats.js").Snapshot} snapshot
 * @param {number} frameMs
 */
function showArrival(snapshot, frameMs) {
  const outputMs = meter.outputLatencyMs;
  const blockMs = room()?.blockMs ?? 0;
  const chosenMs = own.excusedMs;
  arrival.listen(snapshot, { totalMs: stage.delayMs, outputMs, handingOnMs: HANDING_ON_MS, blockMs, frameMs, chosenMs });
}

function showStudio() {
  pin();
  if (studio.sounding && studio.stats) arrival.studio(studio.stats);
  studioPanel.show(stateOf(listener.session) === "live", room()?.studio, room()?.owner);
  studio.showRing();
  if (studio.sounding !== shownStudio) show();
}

function show() {
  if (stateOf(listener.session) === "live") studio.listening();
  if (shownStudio !== studio.sounding || (!studio.sounding && listener.snapshot === null)) arrival.reset();
  shownStudio = studio.sounding;
  const session = studio.sounding ? STUDIO_LIVE : listener.session;
  studioPanel.show(stateOf(listener.session) === "live", room()?.studio, room()?.owner);
  const { state } = panel.show(session, asked);
  otherPlayer.show(session, room());
  const sounding = session.phase === "live" || session.phase === "buffering";
  dial.show(dialMode(state));
  if (listener.snapshot === null) {
    numbers.show(null, 0);
    own.show(null);
  }
  screenLock.want(settings.awake && sounding);
  mediaKeys.show(studio.sounding ? "live" : stateOf(session), room());
}

/**
 * @param {string} state as shown
 * @returns {import("../ui/dial.js").DialMode}
 */
function dialMode(state) {
  if (state === "live" || state === "silent") return "meter";
  return state === "connecting" || state === "buffering" || state === "reconnecting" ? "travel" : "off";
}

function room() {
  return asked.kind === "known" ? asked.value : null;
}

function wireScreenLock() {
  const box = byId("awake", HTMLInputElement);
  byId("awake-row", HTMLElement).hidden = !screenLock.supported;
  box.checked = settings.awake;
  box.addEventListener("change", () => {
    remember({ awake: box.checked });
    show();
  });
}

/**
 * @param {Partial<import("./settings.js").Settings>} changes
 */
function remember(changes) {
  settings = { ...settings, ...changes };
  saveSettings(settings);
}
