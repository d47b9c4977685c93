// @ts-check
/** What the page of a room says of itself, of listening and of the instrument. */

import { speaker } from "./say.js";

export const ROOM = /** @type {const} */ ({
  listeners: { one: "{n} listener in the room", other: "{n} listeners in the room" },
});

export const say = speaker("room", ROOM);
