// @ts-check
/** Figures with their units, which most modules write. */

import { speaker } from "./say.js";

export const FIGURES = /** @type {const} */ ({
  percent: "{value} %",
  "percent.least": "< {value} %",
  khz: "{value} kHz",
  channels: { one: "{n} channel", other: "{n} channels" },
  // Put behind "Round trip" and figures of traffic, with the space.
  "by.udp": " by UDP",
  "by.tcp": " by TCP",
  "by.relay": " by a relay",
});

export const say = speaker("figures", FIGURES);
