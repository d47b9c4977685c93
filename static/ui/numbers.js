// @ts-check
/** Shows the written figures: the statistics of the connection, and the levels of both sides. */

import { FLOOR_DB } from "../listen/levels.js";
import { byId, setText } from "./dom.js";
import { UNKNOWN, byPath, count, decibels, kilobits, kilohertz, milliseconds, percent } from "./format.js";
import { say } from "../words/room.js";

/** @typedef {import("../listen/stats.js").Snapshot} Snapshot */
/** @typedef {import("../listen/levels.js").Needle} Needle */

/**
 * @param {Snapshot | null} snapshot
 * @param {number} frameMs of the room's packets; 0 when unknown
 * @returns {Record<string, string>} by the id of the element, without "stat-"
 */
export function figures(snapshot, frameMs) {
  const s = snapshot;
  return {
    buffer: milliseconds(rounded(s?.bufferMs)),
    target: milliseconds(rounded(s?.targetMs)),
    gap: milliseconds(rounded(s?.gapTotalMs)),
    "gap-last": milliseconds(rounded(s?.gapMs)),
    lost: count(s?.lostTotal),
    "lost-share": s ? percent(s.lostPercent) : UNKNOWN,
    packets: count(s ? s.packetsTotal + s.lostTotal : null),
    rtt: milliseconds(s?.rttMs),
    jitter: milliseconds(s?.jitterMs),
    path: byPath(s?.path ?? null),
    bitrate: kilobits(s?.bitrateBps),
    frames: frameMs > 0 ? say("packets", { ms: frameMs }) : say("packets.unknown"),
    codec: s?.codec ? s.codec.replace(/^./, (letter) => letter.toUpperCase()) : UNKNOWN,
    channels: s?.codec ? say(s.stereo ? "stereo" : "mono", { rate: kilohertz(s.clockRate) }) : UNKNOWN,
  };
}

/**
 * @param {number | null | undefined} value
 */
function rounded(value) {
  return value === null || value === undefined ? value : Math.round(value);
}

export class Numbers {
  #list = byId("numbers", HTMLElement);
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();

  /**
   * @param {Snapshot | null} snapshot
   * @param {number} frameMs
   */
  show(snapshot, frameMs) {
    this.#list.classList.toggle("unread", snapshot === null);
    for (const [name, text] of Object.entries(figures(snapshot, frameMs))) {
      let element = this.#elements.get(name);
      if (!element) this.#elements.set(name, (element = byId(`stat-${name}`, HTMLElement)));
      setText(element, text);
    }
  }
}

export class LevelFigures {
  #sides = [byId("meter-left", HTMLElement), byId("meter-right", HTMLElement)];

  /**
   * @param {Needle} left
   * @param {Needle} right
   */
  show(left, right) {
    [left, right].forEach(({ holdDb, overMs }, side) => {
      const element = this.#sides[side];
      if (!element) return;
      const text = decibels(holdDb, FLOOR_DB);
      const now = holdDb.toFixed(1);
      element.classList.toggle("over", overMs > 0);
      if (element.getAttribute("aria-valuenow") === now) return;
      setText(element, text);
      element.setAttribute("aria-valuenow", now);
      element.setAttribute("aria-valuetext", holdDb <= FLOOR_DB ? say("silence") : say("decibels", { value: text }));
    });
  }
}
