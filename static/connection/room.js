// @ts-check
/** What the server says about its rooms: types, reading them safely, and asking again every few seconds. */

/**
 * @typedef {object} Instrument
 * @property {string} title what its kind is called, such as "Test tone"
 * @property {string} name of the device or file; "" when there is none
 * @property {"live" | "silent"} state silent: the server sends silence, since the instrument gives nothing
 * @property {boolean} starting whether it is silent because it loads or is opened; `error` says what is waited for
 * @property {string | null} error why, in a sentence
 * @property {string | null} note what of a file is left out although it plays, in a sentence
 * @property {number} rate Hz, 0 when unknown
 * @property {number} channels 0 when unknown
 */

/**
 * @typedef {object} Room
 * @property {string} name
 * @property {string} title
 * @property {Instrument} instrument
 * @property {number} frameMs
 * @property {number} bitrateBps
 * @property {number} listeners
 * @property {boolean} owner whether whoever sees this page can mend what is wrong with the room: they perform, or are at the server
 * @property {boolean} liveOpus whether the server has the room's sound for players without WebRTC
 * @property {boolean} studio whether Studio is to be had here, be it full or not
 * @property {number} blockMs how long the instrument takes to fill one of its blocks; 0 when unknown
 */

/**
 * @typedef {{kind: "asking"} | {kind: "known", value: T} | {kind: "missing", ended?: boolean} | {kind: "refused", message: string, why: string}
 *   | {kind: "unreachable"}} Asked
 * @template T
 */

import { codeOf, sentenceOf } from "./problems.js";
import { FROM_PAGE } from "./server.js";
import { authorization } from "./token.js";

const PERIOD_MS = 3_000;
const TIMEOUT_MS = 5_000;

/**
 * @param {string} pathname of the page: "/r/main", or with a prefix "/montage/r/main"
 * @returns {string | null} the room's name
 */
export function roomFromPath(pathname) {
  const match = /\/r\/([^/]+)\/?$/.exec(pathname);
  if (!match?.[1]) return null;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return null;
  }
}

/**
 * @param {any} body one room of the server's answer; whatever is missing gets a harmless value
 * @returns {Room}
 */
export function readRoom(body) {
  const name = text(body?.name) ?? "";
  const instrument = body?.instrument ?? {};
  return {
    name,
    title: text(body?.title) || name,
    instrument: {
      title: text(instrument.title) ?? "",
      name: text(instrument.name) ?? "",
      state: instrument.state === "silent" ? "silent" : "live",
      starting: instrument.starting === true,
      error: text(instrument.error),
      note: text(instrument.note),
      rate: whole(instrument.rate),
      channels: whole(instrument.channels),
    },
    frameMs: Number(body?.audio?.frame_ms) || 0,
    bitrateBps: whole(body?.audio?.bitrate_bps),
    listeners: whole(body?.listeners),
    owner: body?.owner === true,
    liveOpus: body?.live_opus === true,
    // Only a server that has turned it off says null.
    studio: body?.studio !== null,
    blockMs: blockMs(body?.studio),
  };
}

/** @param {any} studio what a room says of it */
function blockMs(studio) {
  const ms = (1000 * Number(studio?.frames)) / Number(studio?.rate);
  return ms > 0 && ms < 1000 ? ms : 0;
}

/**
 * @param {any} body of GET /api/rooms
 * @returns {Room[]}
 */
export function readRooms(body) {
  return Array.isArray(body?.rooms) ? body.rooms.map(readRoom) : [];
}

/**
 * Asks a JSON address every three seconds while the page can be seen, and at once when it comes back into view.
 *
 * @template T
 */
export class Watch {
  #url;
  #read;
  #tell;
  #owner = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #asking = false;

  /**
   * @param {string} url
   * @param {(body: any) => T} read
   * @param {(asked: Asked<T>) => void} tell
   */
  constructor(url, read, tell) {
    this.#url = url;
    this.#read = read;
    this.#tell = tell;
    const { signal } = this.#owner;
    document.addEventListener("visibilitychange", () => this.#ask(), { signal });
    addEventListener("online", () => this.#ask(), { signal });
    addEventListener("pageshow", () => this.#ask(), { signal });
    this.#ask();
  }

  close() {
    this.#owner.abort();
    clearTimeout(this.#timer);
  }

  async #ask() {
    if (this.#asking || document.hidden || this.#owner.signal.aborted) return;
    this.#asking = true;
    clearTimeout(this.#timer);
    const asked = await this.#fetch();
    this.#asking = false;
    if (this.#owner.signal.aborted) return;
    this.#tell(asked);
    this.#timer = setTimeout(() => this.#ask(), PERIOD_MS);
  }

  /**
   * @returns {Promise<Asked<T>>}
   */
  async #fetch() {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), TIMEOUT_MS);
    const stop = () => limit.abort();
    this.#owner.signal.addEventListener("abort", stop, { once: true });
    try {
      const headers = { ...FROM_PAGE, ...authorization(this.#url) };
      const response = await fetch(this.#url, { cache: "no-store", headers, signal: limit.signal });
      if (response.status === 404) return { kind: "missing" };
      if (response.status === 401 || response.status === 403) {
        const body = await response.text();
        return { kind: "refused", message: sentenceOf(body), why: codeOf(body) };
      }
      if (!response.ok) return { kind: "unreachable" };
      return { kind: "known", value: this.#read(await response.json()) };
    } catch {
      return { kind: "unreachable" };
    } finally {
      clearTimeout(timer);
      this.#owner.signal.removeEventListener("abort", stop);
    }
  }
}

/**
 * @param {unknown} value
 * @returns {string | null}
 */
function text(value) {
  return typeof value === "string" && value !== "" ? value : null;
}

/**
 * @param {unknown} value
 * @returns {number}
 */
function whole(value) {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;
}
