// @ts-check
/** What the server tells of the people in a room, read and put into order. Pure. */

import { listenStrip, studioStrip } from "../listen/hops.js";
import { HANDING_ON_MS } from "../stage/heard.js";

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} name "" for none
 * @property {string} browser "" for one that is not known
 * @property {boolean} page whether they have a page of ours, which reports
 * @property {boolean} performs
 * @property {boolean} muted
 * @property {boolean} admin
 * @property {string} mode
 * @property {string} quality
 * @property {string} path
 * @property {boolean} connected
 * @property {number} sinceS
 * @property {import("../listen/hops.js").Strip | null} strip the delay to the ear by hop; null while it is not known
 * @property {number | null} lost packets or blocks since the session began
 * @property {number | null} lostPercent
 */

/**
 * @typedef {object} Instrument
 * @property {string} state
 * @property {string} error
 * @property {boolean} resting
 * @property {number} rate
 * @property {number} blockMs
 * @property {number} frameMs
 * @property {number} bitrateBps
 * @property {number | null} xruns
 * @property {number | null} lostFrames
 * @property {number | null} driftPpm
 * @property {number | null} restarts
 * @property {number} encodeNs
 * @property {number} atNs
 */

/** @typedef {{total: number, people: Person[], instrument: Instrument, admin: boolean, keepOutS: number}} Room */
/** @typedef {"name" | "mode" | "delay" | "lost" | "since"} Column */
/** @typedef {{column: Column, down: boolean}} Order */

/** A report that is older tells nothing of now: the page sleeps, or its network is away. In seconds. */
const STALE_S = 10;
/** Frames of Studio's compressed sound, in ms (docs/latency.md). */
const LIGHT_MS = 5;

/** @param {any} body of the server's answer; whatever is missing gets a harmless value @returns {Room} */
export function readPeople(body) {
  const instrument = readInstrument(body?.instrument);
  const rows = Array.isArray(body?.people) ? body.people : [];
  return {
    total: number(body?.total) ?? rows.length,
    people: rows.map((/** @type {any} */ row) => readPerson(row, instrument)),
    instrument,
    admin: body?.admin === true,
    keepOutS: number(body?.keep_out_s) ?? 600,
  };
}

/** @param {any} said @returns {Instrument} */
function readInstrument(said) {
  const rate = number(said?.rate) ?? 0;
  return {
    state: text(said?.state),
    error: text(said?.error),
    resting: said?.resting === true,
    rate,
    blockMs: rate > 0 ? (1000 * (number(said?.blocksize) ?? 0)) / rate : 0,
    frameMs: number(said?.frame_ms) ?? 0,
    bitrateBps: number(said?.bitrate_bps) ?? 0,
    xruns: number(said?.xruns),
    lostFrames: number(said?.lost_frames),
    driftPpm: number(said?.drift_ppm),
    restarts: number(said?.restarts),
    encodeNs: number(said?.encode_ns) ?? 0,
    atNs: number(said?.at_ns) ?? 0,
  };
}

/**
 * @param {any} row
 * @param {Instrument} instrument
 * @returns {Person}
 */
function readPerson(row, instrument) {
  const lost = number(row?.totals?.lost);
  const packets = number(row?.totals?.packets);
  return {
    id: text(row?.id),
    name: text(row?.name),
    browser: text(row?.browser),
    page: row?.page === true,
    performs: row?.role === "performer",
    muted: row?.muted === true,
    admin: row?.admin === true,
    mode: text(row?.mode),
    quality: text(row?.quality),
    path: text(row?.path),
    connected: !["new", "connecting", "closed"].includes(row?.state),
    sinceS: number(row?.since_s) ?? 0,
    strip: (number(row?.report_age_s) ?? Infinity) > STALE_S ? null : stripOf(row, instrument),
    lost,
    lostPercent: lost === null || packets === null || lost + packets <= 0 ? null : (100 * lost) / (lost + packets),
  };
}

/**
 * The same hops as the listener's own page shows, from what it reported.
 *
 * @param {any} row
 * @param {Instrument} instrument
 */
function stripOf({ mode, quality, sound }, { blockMs, frameMs }) {
  const of = (/** @type {string} */ name) => number(sound?.[name]);
  const [totalMs, rttMs, outputMs] = [of("latency_ms"), of("rtt_ms"), of("output_ms")];
  if (mode === "listen") {
    return listenStrip({ totalMs, bufferMs: of("buffer_ms"), rttMs, outputMs, handingOnMs: HANDING_ON_MS, blockMs, frameMs });
  }
  const levelMs = of("studio_level_ms");
  if (levelMs === null) return null;
  return studioStrip({
    browserMs: totalMs === null ? null : totalMs - (outputMs ?? 0),
    measured: true,
    levelMs,
    rttMs: rttMs ?? of("clock_rtt_ms"),
    outputMs,
    blockMs,
    frameMs: quality === "light" ? LIGHT_MS : null,
  });
}

/**
 * @param {readonly Person[]} people
 * @param {Order} order what is not known comes last either way
 * @returns {Person[]}
 */
export function sorted(people, { column, down }) {
  const sign = down ? -1 : 1;
  return [...people].sort((one, other) => {
    const [a, b] = [valueOf(one, column), valueOf(other, column)];
    if (a === b) return one.id < other.id ? -1 : 1;
    if (a === null || a === "") return 1;
    if (b === null || b === "") return -1;
    return sign * (typeof a === "string" ? a.localeCompare(String(b)) : a - Number(b));
  });
}

/** @param {Person} person @param {Column} column @returns {string | number | null} */
function valueOf(person, column) {
  switch (column) {
    case "name":
      return person.name;
    case "mode":
      return `${person.mode} ${person.quality}`;
    case "delay":
      return person.strip?.totalMs ?? null;
    case "lost":
      return person.lostPercent ?? person.lost;
    case "since":
      return person.sinceS;
  }
}

/** How many are sent each tier. @param {readonly Person[]} people @returns {{high: number, middle: number, low: number}} */
export function tiersOf(people) {
  const count = { high: 0, middle: 0, low: 0 };
  for (const { mode, quality } of people) if (mode === "listen" && quality in count) count[/** @type {keyof count} */ (quality)] += 1;
  return count;
}

/**
 * @param {Instrument | null} before
 * @param {Instrument} now
 * @returns {number | null} percent of a core that encoding took meanwhile; null while it is not known
 */
export function loadBetween(before, now) {
  if (before === null || now.atNs <= before.atNs || now.encodeNs < before.encodeNs) return null;
  return (100 * (now.encodeNs - before.encodeNs)) / (now.atNs - before.atNs);
}

/** @param {unknown} value @returns {number | null} */
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** @param {unknown} value @returns {string} bounded, as it may come from anybody */
function text(value) {
  return typeof value === "string" ? value.slice(0, 256) : "";
}
