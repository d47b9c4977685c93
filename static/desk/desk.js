// @ts-check
/**
 * The performer's desk: who is in the room and how they hear it, live while it is open; what can be done about it; how the instrument
 * does. It is loaded when somebody opens it, and asks the server only while it is open and can be seen.
 */

import { sentenceOf } from "../connection/problems.js";
import { FROM_PAGE, roomApi } from "../connection/server.js";
import { authorization } from "../connection/token.js";
import { setText } from "../ui/dom.js";
import { count, kilobits, percent } from "../ui/format.js";
import { say } from "../words/desk.js";
import { Invite } from "./invite.js";
import { loadBetween, readPeople, tiersOf } from "./people.js";
import { PeopleTable } from "./table.js";

/** @typedef {import("./people.js").Person} Person */
/** @typedef {import("./people.js").Room} Room */

const PERIOD_MS = 1_000;
/** With more people than `MANY` the list is asked for this seldom. */
const SLOW_MS = 3_000;
const MANY = 100;
const TIMEOUT_MS = 5_000;

/** @typedef {"state" | "encoding" | "tiers" | "xruns" | "lost" | "drift" | "load" | "restarts"} Figure */
/** @type {readonly Figure[]} */
const FIGURES = ["state", "encoding", "tiers", "xruns", "lost", "drift", "load", "restarts"];

export class Desk {
  #url;
  #own;
  #drawer;
  #table;
  #count = line("desk-count");
  #note = line("desk-note");
  /** @type {Map<Figure, HTMLElement>} */
  #figures = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asking = false;
  /** @type {Room | null} */
  #latest = null;
  /** @type {import("./people.js").Instrument | null} the reading from which the load is reckoned */
  #before = null;

  /**
   * @param {HTMLDetailsElement} drawer
   * @param {HTMLElement} box within it
   * @param {string} room its name
   * @param {() => string} own the public name of this page's session; "" while there is none
   */
  constructor(drawer, box, room, own) {
    this.#url = `${roomApi(room)}/people`;
    this.#own = own;
    this.#drawer = drawer;
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("./desk.css", import.meta.url).href;
    document.head.append(style);
    const [people, invite] = [line("desk-people", "div"), line("desk-invite", "div")];
    this.#table = new PeopleTable(people, (person, deed) => this.#act(person, deed));
    this.#note.setAttribute("role", "status");
    this.#note.dataset.testid = "desk-note";
    this.#count.dataset.testid = "desk-count";
    box.replaceChildren(this.#count, people, this.#note, this.#instrument(), invite);
    new Invite(invite, room);
    drawer.addEventListener("toggle", () => this.#ask());
    document.addEventListener("visibilitychange", () => this.#ask());
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#asking || !this.#drawer.open || document.hidden) return;
    this.#asking = true;
    const again = await this.#fetch();
    this.#asking = false;
    clearTimeout(this.#timer);
    if (again) this.#timer = setTimeout(() => this.#ask(), (this.#latest?.total ?? 0) > MANY ? SLOW_MS : PERIOD_MS);
  }

  /** @returns {Promise<boolean>} whether it is to be asked again by itself */
  async #fetch() {
    try {
      const headers = { ...FROM_PAGE, ...authorization(this.#url) };
      const response = await fetch(this.#url, { cache: "no-store", headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status === 401 || response.status === 403) {
        this.#say(sentenceOf(await response.text()) || say("refused"));
        return false;
      }
      if (!response.ok) throw new Error(String(response.status));
      this.#show(readPeople(await response.json()));
    } catch {
      this.#say(say("failed"));
    }
    return true;
  }

  /** @param {Room} room */
  #show(room) {
    if (this.#note.textContent === say("failed")) this.#say("");
    this.#latest = room;
    const { people, total, admin, keepOutS } = room;
    setText(this.#count, total > people.length ? say("some", { n: total, shown: people.length }) : say("people", { n: total }));
    this.#table.show(people, { own: this.#own(), admin, keepOutS });
    this.#showInstrument(room);
  }

  /**
   * @param {Person} person
   * @param {import("./table.js").Deed} deed
   */
  async #act(person, deed) {
    const mutes = deed === "mute" || deed === "unmute";
    const url = `${this.#url}/${encodeURIComponent(person.id)}/${mutes ? "mute" : "remove"}`;
    const body = mutes ? { on: deed === "mute" } : { keep_out: deed === "keep-out" };
    try {
      const headers = { ...FROM_PAGE, ...authorization(url), "Content-Type": "application/json" };
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
      const who = person.name || person.browser || say("nameless");
      if (!response.ok) this.#say(sentenceOf(await response.text()) || say("failed"));
      else this.#say(mutes ? "" : say("removed.done", { who }));
    } catch {
      this.#say(say("failed"));
    }
    this.#ask();
  }

  #instrument() {
    const part = document.createElement("section");
    part.className = "desk-instrument";
    const title = document.createElement("h3");
    title.id = "desk-instrument-title";
    title.textContent = say("instrument");
    part.setAttribute("aria-labelledby", title.id);
    const list = document.createElement("dl");
    for (const name of FIGURES) {
      const [group, term, value] = [document.createElement("div"), document.createElement("dt"), document.createElement("dd")];
      term.textContent = say(`figure.${name}`);
      value.dataset.figure = name;
      group.append(term, value);
      list.append(group);
      this.#figures.set(name, value);
    }
    part.append(title, list);
    return part;
  }

  /** @param {Room} room */
  #showInstrument({ instrument, people }) {
    const load = loadBetween(this.#before, instrument);
    this.#before = instrument;
    const { state, error, resting, driftPpm, bitrateBps, frameMs } = instrument;
    const said = resting ? say("resting") : state === "live" ? say("live") : say("silent");
    /** @type {Record<Figure, string>} */
    const shown = {
      state: error ? `${said}: ${error}` : said,
      encoding: say("encoding", { kbps: kilobits(bitrateBps), ms: frameMs }),
      tiers: say("tiers", tiersOf(people)),
      xruns: count(instrument.xruns),
      lost: count(instrument.lostFrames),
      drift: driftPpm === null ? say("drift.none") : say("drift", { ppm: driftPpm }),
      load: load === null ? (this.#figures.get("load")?.textContent ?? "") : percent(load),
      restarts: count(instrument.restarts),
    };
    for (const name of FIGURES) {
      const figure = this.#figures.get(name);
      if (figure) setText(figure, shown[name]);
    }
  }

  /** @param {string} text */
  #say(text) {
    setText(this.#note, text);
  }
}

/** @param {string} name @param {"p" | "div"} [tag] */
function line(name, tag = "p") {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
