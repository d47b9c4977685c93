// @ts-check
/** The choice of quality: what the listener wants, and what the room sends. */

import { tier as pinTier } from "../channel/telemetry.js";
import { byId, setText } from "./dom.js";
import { kilobits } from "./format.js";
import { say } from "../words/room.js";

/** @typedef {import("../channel/telemetry.js").TierMessage} TierMessage */

/** @param {string} tier @returns {string} */
const nameOf = (tier) => (tier === "high" || tier === "middle" || tier === "low" ? say(`quality.${tier}`) : tier);

/**
 * @param {TierMessage} message
 * @returns {{value: string, text: string}[]} the options of the select, "" for what the network carries
 */
export function choices({ tiers }) {
  const offered = tiers.map(({ tier, bps }) => ({ value: tier, text: say("quality.offer", { name: nameOf(tier), kbps: kilobits(bps) }) }));
  return [{ value: "", text: say("quality.automatic") }, ...offered];
}

/**
 * @param {TierMessage} message
 * @returns {string} what is sent, in words; "" where the choice itself says it
 */
export function sentNow({ tier, pinned, tiers }) {
  const bps = tiers.find((one) => one.tier === tier)?.bps;
  if (pinned === tier || bps === undefined) return "";
  return say("quality.now", { name: nameOf(tier).toLowerCase(), kbps: kilobits(bps) });
}

/**
 * What has to be said to a session that is sent something, so that the choice holds there, too.
 *
 * @param {string} wanted a tier, "" for what the network carries
 * @param {TierMessage} message
 * @returns {string | null | undefined} what to pin; undefined if there is nothing to say
 */
export function toPin(wanted, { pinned, tiers }) {
  const known = wanted === "" || tiers.some((one) => one.tier === wanted);
  return known && wanted !== (pinned ?? "") ? wanted || null : undefined;
}

export class QualityControl {
  #row = byId("quality-row", HTMLElement);
  #select = byId("quality", HTMLSelectElement);
  #now = byId("quality-now", HTMLElement);
  #owner = new AbortController();
  #wanted;
  /** @type {{say: (text: string) => boolean} | null} */
  #link = null;
  /** Duration of the packets that are sent; 0 while that is unknown. */
  frameMs = 0;

  /**
   * @param {string} wanted a tier, "" for what the network carries
   * @param {(wanted: string) => void} onChange
   */
  constructor(wanted, onChange) {
    this.#wanted = wanted;
    this.#select.addEventListener(
      "change",
      () => {
        this.#wanted = this.#select.value;
        this.#link?.say(pinTier(this.#wanted || null));
        onChange(this.#wanted);
      },
      { signal: this.#owner.signal },
    );
  }

  /**
   * Follows a session from now on.
   *
   * @template {{link?: import("../connection/link.js").ChannelLink, close: () => void}} T
   * @param {T} session
   * @returns {T} the same
   */
  follow(session) {
    const { link } = session;
    this.#link = link ?? null;
    this.frameMs = 0;
    if (link) link.onTier = (message) => link === this.#link && this.#show(message);
    return session;
  }

  close() {
    this.#owner.abort();
  }

  /** @param {TierMessage} message */
  #show(message) {
    this.frameMs = message.frame_ms;
    const pin = toPin(this.#wanted, message);
    if (pin !== undefined) this.#link?.say(pinTier(pin));
    const options = choices(message);
    const values = options.map(({ value }) => value);
    if (values.join() !== [...this.#select.options].map(({ value }) => value).join()) {
      this.#select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)));
    }
    this.#select.value = values.includes(this.#wanted) ? this.#wanted : "";
    setText(this.#now, sentNow(message));
    this.#row.hidden = message.tiers.length < 2;
  }
}
