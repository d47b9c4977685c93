// @ts-check
/**
 * The page's half of a room's stage: everybody sees what is played when it is heard, and performers play. It connects the sessions'
 * channels with the parts of midi/ and ui/.
 *
 * `attach(peer)` opens a session's channels before its offer; whoever ends the session closes what it returns. While the page changes
 * between Listen and Studio two sessions are open at once. The newest one that has signed in is the *current* one, which shows and
 * plays; when it closes, the one before it becomes current again. Studio opens its channels itself, `attach(peer, {midi, telemetry})`,
 * and tells what is heard by `setPlayout`.
 */

import { BEND, BEND_CENTRE, controllerCell } from "../channel/cells.js";
import { Schedule } from "../channel/schedule.js";
import * as say from "../channel/telemetry.js";
import { openChannels } from "../connection/channels.js";
import { ChannelLink } from "../connection/link.js";
import { FROM_PAGE, roomApi } from "../connection/server.js";
import { currentSound } from "../midi/current-sound.js";
import { readPlayer } from "../midi/files.js";
import { readOffer } from "../midi/sound-list.js";
import { byId, setText } from "../ui/dom.js";
import { FilePlayer } from "../ui/file-player.js";
import { Keyboard } from "../ui/keyboard.js";
import { KeysView } from "../ui/keys-view.js";
import { PerformersList } from "../ui/performers.js";
import { Roll } from "../ui/roll.js";
import { Sounds } from "../ui/sounds.js";
import { DemoFollower } from "./demo.js";
import { HeardClock } from "./heard.js";
import { Input } from "./input.js";
import { NameFields } from "./name-fields.js";
import { PerformerLink } from "./performer-link.js";
import { MidiReport, soundReport } from "./report.js";
import { Shown } from "./shown.js";
import { Turns } from "./turns.js";
import { authorization } from "../connection/token.js";
import { say as words } from "../words/room.js";

/** @typedef {import("../channel/down.js").Heard} Heard */
/** @typedef {import("../channel/telemetry.js").ServerMessage} ServerMessage */
/** @typedef {import("../listen/stats.js").Counters} Counters */
/** @typedef {{peer: RTCPeerConnection, link: ChannelLink, reported: Counters | null, told: MidiReport}} StageSession */
/** @typedef {{note: number, media_time: number, heard_at_ms: number, lit_at_ms: number, latency_ms: number}} Lit */

/** Half the time that a frame stays on the screen, in milliseconds: a key is lit in the frame nearest to its sound. */
const HALF_FRAME_MS = 8;
const MOST_EVENTS = 256;
const CONTROLLERS_MS = 100;

export class Stage {
  #section = byId("stage", HTMLElement);
  #play = byId("play", HTMLElement);
  #note = byId("stage-note", HTMLElement);
  #setup = byId("setup", HTMLDetailsElement);
  #performers = new PerformersList(byId("performers", HTMLElement), byId("performers-none", HTMLElement));
  #roll = new Roll(byId("roll", HTMLCanvasElement));
  #keyboard;
  #keysView;
  #sounds;
  #files;
  #input;
  #ticket;
  #room;
  #heard;
  #schedule = new Schedule();
  #demo;
  #shown;
  /** @type {StageSession[]} the newest last */
  #sessions = [];
  /** @type {StageSession | null} the one that shows and plays */
  #current = null;
  /** @type {import("../midi/sound-list.js").Scheme[]} */
  #schemes = [];
  /** @type {Lit[]} */
  #events = [];
  #owner = new AbortController();
  #turns = new Turns(() => this.#tick(), () => this.#sessions.length > 0);
  #valuesMs = 0;
  /** Whether the page was seen at the last look: what piled up before is lit late, and tells nothing. */
  #watched = false;

  /**
   * @param {string} room its name
   * @param {() => number} latencyMs of the output device
   */
  constructor(room, latencyMs) {
    this.#room = room;
    this.#ticket = new PerformerLink(room, () => this.#show());
    this.#heard = new HeardClock(latencyMs);
    this.#demo = new DemoFollower(room);
    this.#keyboard = new Keyboard(
      byId("keys-scroll", HTMLElement),
      byId("keys", HTMLElement),
      {
        down: (source, note, velocity, atMs) => this.#input.down(source, note, velocity, atMs),
        up: (source, note, atMs) => this.#input.up(source, note, atMs),
      },
      () => this.#onView(),
    );
    this.#keysView = new KeysView(this.#keyboard);
    this.#shown = new Shown(this.#keyboard, this.#roll, this.#performers);
    this.#sounds = new Sounds(byId("sound-now", HTMLElement), byId("sounds", HTMLElement), (sound) => {
      this.#current?.link.say(say.select(sound));
    });
    this.#files = new FilePlayer(room, (command) => this.#current?.link.say(say.player(command)));
    this.#input = new Input({
      play: (message, atMs) => this.#current?.link.play(message, atMs),
      panic: (everyone) => this.#current?.link.panic(everyone),
      pressed: (notes) => this.#keyboard.showPressed(notes),
      legends: (legends) => this.#keyboard.showLegends(legends),
      reach: (low, high) => this.#keyboard.reveal(low, high),
    });
    this.#wire();
    this.#show();
    this.#ask();
    this.#turns.begin();
  }

  /** For tests and tools; see main.js. */
  get handle() {
    const stage = this;
    return Object.freeze({
      get role() {
        return stage.#current?.link.welcome?.role ?? "listener";
      },
      get performer() {
        return stage.#current?.link.welcome?.performer ?? null;
      },
      get session() {
        return stage.#current?.link.welcome?.session ?? "";
      },
      get playable() {
        return stage.#current?.link.playable ?? false;
      },
      lit: () => stage.#shown.notes,
      get events() {
        return [...stage.#events];
      },
      get counters() {
        return { ...stage.#current?.link.received, ...stage.#current?.link.counters };
      },
      heardAt: (/** @type {number} */ nowMs) => stage.#heard.at(nowMs),
      mediaAt: (/** @type {number} */ nowMs) => stage.#current?.link.clock.mediaAt(nowMs) ?? null,
      press: (/** @type {number} */ note, velocity = 96) => stage.#input.down("handle", note, velocity, performance.now()),
      release: (/** @type {number} */ note) => stage.#input.up("handle", note, performance.now()),
    });
  }

  /**
   * Takes in a session that begins.
   *
   * @param {RTCPeerConnection} peer before its offer
   * @param {import("../connection/channels.js").Channels} [channels] that are opened already
   * @returns {import("../connection/link.js").Attached}
   */
  attach(peer, channels = openChannels(peer)) {
    const credentials = { name: this.#input.memory.name, token: this.#ticket.token };
    /** @type {StageSession} */
    const session = {
      peer,
      reported: null,
      told: new MidiReport(),
      link: new ChannelLink(channels, credentials, {
        message: (message) => this.#onMessage(session, message),
        notes: (heard) => session === this.#current && this.#schedule.push(heard),
        released: () => session === this.#current && this.#input.released(),
      }),
    };
    this.#sessions.push(session);
    return { link: session.link, close: () => this.#detach(session), report: (sound) => this.#report(session, sound) };
  }

  /** @param {import("./heard.js").Playout | null} playout tells what is heard; null: the receiver is observed again */
  setPlayout(playout) {
    this.#heard.setPlayout(playout);
  }

  /** Tells the server how Listen's sound arrives, at most once a second. @param {Counters} counters of the newest session */
  report(counters) {
    const session = this.#sessions.find(({ link }) => link.welcome?.mode === "listen");
    if (!session || (session.reported && counters.atMs - session.reported.atMs < 990)) return;
    this.#report(session, soundReport(session.reported, counters));
    session.reported = counters;
  }

  /**
   * @param {StageSession} session
   * @param {import("../channel/telemetry.js").Report} sound
   */
  #report({ peer, link, told }, sound) {
    if (link.welcome === null) return;
    if (link.welcome.mode === "listen") this.#heard.observe(peer, link, performance.now());
    link.say(
      say.stats({
        ...sound,
        ...told.take(link.received),
        clock_rtt_ms: link.clock.rttMs,
        output_ms: this.#heard.latencyMs,
        latency_ms: this.#heard.delayMs(link, performance.now()),
        hidden: document.hidden ? 1 : 0,
      }),
    );
  }

  /** The delay from the instrument to the ear by the media clock, in milliseconds; null while it is not known. */
  get delayMs() {
    return this.#current && this.#heard.delayMs(this.#current.link, performance.now());
  }

  close() {
    if (this.#owner.signal.aborted) return;
    this.#owner.abort();
    for (const session of [...this.#sessions]) this.#detach(session);
    this.#turns.close();
    this.#demo.close();
    for (const part of [this.#keyboard, this.#keysView, this.#roll, this.#files, this.#input]) part.close();
  }

  #wire() {
    const { signal } = this.#owner;
    new NameFields(this.#input.memory.name, (name) => this.#rename(name), signal);
    document.addEventListener("visibilitychange", this.#turns.begin, { signal });
    addEventListener("blur", () => this.#keyboard.liftAll(), { signal });
    // A performer's link that is opened in this very tab changes only the address's fragment.
    addEventListener("hashchange", () => this.#retake(), { signal });
  }

  #retake() {
    // The open sessions have signed in without the new token.
    if (this.#ticket.another) location.reload();
  }

  /** Asks for the instrument's sounds; a room without MIDI has none. */
  async #ask() {
    const url = `${roomApi(this.#room)}/sounds`;
    try {
      const response = await fetch(url, { headers: { ...FROM_PAGE, ...authorization(url) } });
      if (!response.ok) return;
      const offer = readOffer(await response.json());
      if (this.#owner.signal.aborted) return;
      this.#schemes = offer.schemes;
      this.#sounds.offer(offer);
      this.#section.hidden = false;
      byId("setup-steps", HTMLElement).replaceChildren(...offer.checklist.map(stepItem));
      this.#setup.dataset.steps = String(offer.checklist.length);
      this.#show();
    } catch {
      // The panel says that the server cannot be reached; a session shows the stage all the same.
    }
  }

  /** @param {string} name */
  #rename(name) {
    this.#input.rename(name);
    for (const { link } of this.#sessions) link.rename(name);
  }

  /**
   * @param {StageSession} session
   * @param {ServerMessage} message
   */
  #onMessage(session, message) {
    if (message.type === "welcome" && session !== this.#current && session === this.#sessions.at(-1)) this.#take(session);
    if (session !== this.#current) return;
    switch (message.type) {
      case "welcome":
        this.#performers.show(message.performers, message.performer);
        this.#files.state(readPlayer(message.player));
        this.#demoIs(message.demo);
        if (message.role === "performer") setText(this.#note, message.muted ? words("muted") : "");
        this.#show();
        break;
      case "performers":
        this.#performers.show(message.performers, session.link.welcome?.performer ?? null);
        break;
      case "selected":
        this.#sounds.selected(message.sound, this.#performers.name(message.by));
        break;
      case "demo":
        this.#demoIs(message.demo);
        break;
      case "player":
        this.#files.state(readPlayer(message));
        break;
      case "error":
        this.#refused(message);
    }
  }

  /** @param {import("../channel/telemetry.js").ErrorMessage} error */
  #refused({ code, message, of }) {
    if (of === "stats" || code === "unknown_type") return;
    if (code === "bad_token") this.#ticket.forget(message);
    else if (/player|file/.test(`${code} ${of}`)) this.#files.refuse(message);
    else setText(this.#note, message);
    this.#show();
  }

  /** @param {unknown} demo of a server's message */
  #demoIs(demo) {
    this.#demo.state(demo);
    this.#performers.demo(this.#demo.plays);
  }

  /** @param {StageSession | null} session that shows and plays from now on */
  #take(session) {
    const before = this.#current;
    this.#current = session;
    before?.link.panic(false);
    this.#input.released();
    this.#schedule.clear();
    this.#shown.clear(this.#heard.at(performance.now()) ?? 0);
    if (session === null) {
      this.#heard.reset();
      this.#demo.state(null);
      this.#files.state(null);
      this.#sounds.selected("", "");
    } else {
      this.#performers.demo(this.#demo.plays);
      session.link.perform();
    }
    this.#show();
    this.#turns.begin();
  }

  /** @param {StageSession} session */
  #detach(session) {
    if (!this.#sessions.includes(session)) return;
    this.#sessions = this.#sessions.filter((one) => one !== session);
    session.link.close();
    if (session === this.#current) this.#take(this.#sessions.filter(({ link }) => link.welcome !== null).at(-1) ?? null);
  }

  #show() {
    const welcome = this.#current?.link.welcome ?? null;
    const plays = welcome?.role === "performer";
    const token = this.#ticket.counting(plays);
    if (welcome?.profile) this.#section.hidden = false;
    this.#section.dataset.role = token ? "performer" : "listener";
    this.#section.classList.toggle("connected", welcome !== null);
    this.#play.hidden = token === null;
    byId("listener-name-row", HTMLElement).hidden = token !== null;
    this.#keyboard.setPlayable(token !== null);
    this.#files.setToken(token);
    byId("sound-choice", HTMLElement).hidden = token === null || !this.#sounds.any;
    this.#setup.hidden = token === null || !Number(this.#setup.dataset.steps ?? 0);
    const { channel, one_channel: oneChannel } = /** @type {Record<string, any>} */ (welcome?.profile ?? {});
    this.#input.enable(plays, Number.isInteger(channel) ? channel : 0, oneChannel !== false);
    byId("stage-hint", HTMLElement).hidden = token === null || plays;
  }

  #onView() {
    this.#roll.invalidate();
    this.#keysView.show();
  }

  /** @returns {number} ms until the next note is due */
  #tick() {
    const now = performance.now();
    for (const { peer, link } of this.#sessions) {
      if (link.welcome?.mode === "listen") this.#heard.observe(peer, link, now);
    }
    const heard = this.#heard.at(now + HALF_FRAME_MS);
    for (const event of [...this.#schedule.due(heard), ...this.#demo.due(heard)]) this.#hear(event, heard, now);
    const media = heard ?? this.#current?.link.clock.mediaAt(now) ?? 0;
    this.#shown.paint(media, now);
    this.#files.tick(heard ?? this.#current?.link.clock.mediaAt(now) ?? null);
    if (now - this.#valuesMs > CONTROLLERS_MS) this.#showValues(now);
    this.#watched = !document.hidden;
    return heard === null ? Infinity : (Math.min(this.#schedule.nextOnset, this.#demo.nextMedia) - heard) / 48;
  }

  /**
   * @param {Heard} event whose time has come
   * @param {number | null} heard
   * @param {number} nowMs
   */
  #hear(event, heard, nowMs) {
    const note = this.#shown.take(event, heard);
    if (note === null || event.repaired || heard === null || !this.#watched) return;
    const { mediaTime } = event;
    const heardAtMs = nowMs + HALF_FRAME_MS + (mediaTime - heard) / 48;
    this.#current?.told.skew(nowMs - heardAtMs);
    this.#events.push({
      note,
      media_time: mediaTime,
      heard_at_ms: heardAtMs,
      lit_at_ms: nowMs,
      latency_ms: this.#heard.latencyMs,
    });
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
  }

  /** Shows the wheels and the sound as the room has them. @param {number} nowMs */
  #showValues(nowMs) {
    this.#valuesMs = nowMs;
    const link = this.#current?.link;
    if (!link) return;
    const { channel } = /** @type {Record<string, any>} */ (link.welcome?.profile ?? {});
    const cells = link.cells();
    const at = Number.isInteger(channel) ? channel : 0;
    this.#input.showValues(cells.get((at << 12) | BEND) ?? BEND_CENTRE, cells.get(controllerCell(at, 1)) ?? 0);
    const sound = currentSound(cells, at, this.#schemes);
    if (sound !== null && sound !== byId("sound-now", HTMLElement).dataset.sound) this.#sounds.selected(sound, "");
  }
}

/** @param {import("../midi/sound-list.js").SetupStep} step */
function stepItem({ title, text }) {
  const item = document.createElement("li");
  const strong = document.createElement("strong");
  strong.textContent = title;
  item.append(strong, document.createElement("br"), text);
  return item;
}
