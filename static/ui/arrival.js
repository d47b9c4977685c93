// @ts-check
/**
 * How the sound arrives: one line of words at the top of the page, and for those who open it the delay by hop. Takes in the readings of
 * both modes, and hands on what they mean.
 */

import { listenStrip, studioStrip } from "../listen/hops.js";
import { Arrival } from "../listen/verdict.js";
import { byId } from "./dom.js";

/** @typedef {import("../listen/hops.js").Strip} Strip */
/** @typedef {import("../listen/stats.js").Snapshot} Snapshot */
/** @typedef {import("../listen/verdict.js").Verdict} Verdict */
/** @typedef {import("../studio/reading.js").StudioStats} StudioStats */
/** @typedef {import("./strip.js").Way} Way */
/** @typedef {import("./strip.js").StripView} StripView */

/** Readings are taken in this often, in ms. */
const PERIOD_MS = 990;

export class ArrivalView {
  #tell;
  #box = byId("strip", HTMLElement);
  #drawer = byId("arrival", HTMLDetailsElement);
  #arrival = new Arrival();
  /** @type {Verdict | null} */
  #told = null;
  /** @type {{strip: Strip, way: Way} | null} */
  #latest = null;
  /** @type {StripView | null} null until somebody has opened it */
  #view = null;
  /** @type {StudioStats | null} the reading of Studio that was taken in last */
  #studio = null;

  /** @param {(verdict: Verdict | null) => void} tell called when the words at the top may be others */
  constructor(tell) {
    this.#tell = tell;
    this.#drawer.addEventListener("toggle", () => this.#open());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#tell(this.#told);
      this.#write();
    });
  }

  /**
   * Takes in a reading of Listen.
   *
   * @param {Snapshot} snapshot
   * @param {object} known
   * @param {number | null} known.totalMs from the instrument to the ear
   * @param {number | null} known.outputMs what the browser says that its output adds
   * @param {number} known.handingOnMs
   * @param {number} known.blockMs
   * @param {number} known.frameMs
   * @param {number} known.chosenMs delay that the listener wants
   */
  listen(snapshot, known) {
    const { bufferMs, rttMs, elapsedMs, packets, lost } = snapshot;
    const strip = listenStrip({ ...known, bufferMs, rttMs });
    if (strip) this.#show(strip, "listen");
    // While a new connection's buffer fills, browsers stretch and conceal as a matter of course.
    if (snapshot.gapTotalMs === null || elapsedMs <= 0) return;
    this.#judge({
      elapsedMs,
      missingMs: snapshot.gapMs ?? 0,
      lostShare: lost > 0 ? lost / (lost + packets) : 0,
      jitterMs: snapshot.jitterMs ?? 0,
      behindMs: strip?.totalMs ?? null,
      chosenMs: known.chosenMs,
      busy: false,
    });
  }

  /** Takes in a reading of Studio, of which there are ten a second. @param {StudioStats} stats */
  studio(stats) {
    const before = this.#studio;
    if (before && stats.atMs - before.atMs < PERIOD_MS) return;
    this.#studio = stats;
    const { ring, format, browserMs, measured, rttMs, outputMs } = stats;
    const light = format.quality === "light" ? format.light : null;
    const blockMs = (1000 * format.frames) / format.rate;
    const frameMs = light?.frameMs ?? null;
    const strip = studioStrip({ browserMs, measured, levelMs: ring.levelMs, rttMs, outputMs, blockMs, frameMs });
    this.#show(strip, light ? "light" : "exact");
    if (before === null) this.#arrival.reset();
    else {
      const elapsedMs = stats.atMs - before.atMs;
      const lost = ring.lost - before.ring.lost;
      const came = ring.payloads - before.ring.payloads;
      this.#judge({
        elapsedMs,
        missingMs: Math.max(0, ring.concealedMs - before.ring.concealedMs),
        lostShare: lost > 0 ? lost / (lost + came) : 0,
        jitterMs: ring.jitterMs,
        behindMs: strip.totalMs,
        busy: stats.busyNow,
      });
    }
  }

  /** Nothing plays any more, or another mode does. */
  reset() {
    if (this.#latest === null && this.#told === null && this.#studio === null) return;
    this.#arrival.reset();
    this.#studio = this.#latest = this.#told = null;
    this.#tell(null);
    this.#view?.clear();
  }

  /** @param {import("../listen/verdict.js").Arrived} arrived */
  #judge(arrived) {
    const verdict = this.#arrival.take(arrived);
    const told = this.#told;
    if (verdict?.kind === told?.kind && verdict?.bad === told?.bad && verdict?.behindMs === told?.behindMs) return;
    this.#told = verdict;
    // Nothing is written in a hidden tab.
    if (!document.hidden) this.#tell(verdict);
  }

  /**
   * @param {Strip} strip
   * @param {Way} way
   */
  #show(strip, way) {
    this.#latest = { strip, way };
    this.#write();
  }

  async #open() {
    if (!this.#drawer.open || this.#view) return;
    const { StripView } = await import("./strip.js");
    this.#view ??= new StripView(this.#box);
    this.#view.clear();
    this.#write();
  }

  #write() {
    if (this.#latest && this.#view && this.#drawer.open && !document.hidden) this.#view.show(this.#latest.strip, this.#latest.way);
  }
}
