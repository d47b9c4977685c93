// @ts-check
/** What a listener sets for this device alone. */

import { speaker } from "./say.js";

export const OWN = /** @type {const} */ ({
  delay: "Own delay",
  "delay.hint": "The sound of Listen waits here for at least so long, which bridges pauses of the network. Studio does not wait.",
  "delay.none": "none",
  "delay.ms": "{ms}\u00a0ms",
  "delay.rests": "While Listen plays, this shows how long the sound really waits.",
  "delay.now": "Now it waits {ms}\u00a0ms.",
  "delay.grows": "Now it waits {ms}\u00a0ms. It grows slowly, and no further than this browser’s buffer.",
});

export const say = speaker("own", OWN);
