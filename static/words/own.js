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
  output: "Output",
  "output.usual": "This device’s usual one",
  "output.ask": "Choose another",
  "output.hidden": "Before this browser shows the outputs it may ask for the microphone. The page closes that at once and hears nothing.",
  "output.studio": "In this browser the choice holds for Listen; Studio plays by the usual output.",
  "output.denied": "The browser did not allow it. Its settings for this page can.",
});

export const say = speaker("own", OWN);
