// @ts-check
/** The list of rooms. */

import { speaker } from "./say.js";

export const ROOMS = /** @type {const} */ ({
  choose: "Choose what you want to hear.",
  none: "This server has no rooms yet.",
  closed: "The list of rooms is not open to you.",
  away: "The server does not answer. This page keeps asking.",
  "state.unknown": "Not known at the moment",
  "state.silent": "The instrument is silent.",
  "state.live": "Live",
  "state.heard": { one: "Live, {n} listener", other: "Live, {n} listeners" },
});

export const say = speaker("rooms", ROOMS);
