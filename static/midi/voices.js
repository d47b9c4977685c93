// @ts-check
/** The colour of each performer, the same on everybody's page: a number of `--voice-…` in midi.css. Pure. */

import { DEMO, FILE_PLAYER, FIRST_PERFORMER, LOCAL } from "../channel/performers.js";
import { say } from "../words/stage.js";

export const VOICES = 8;
const SHARED = 2;

/** @param {number} performer @returns {number} 0–7: 0 the instrument by itself, 1 files, the others in turn */
export function voiceOf(performer) {
  if (performer === LOCAL || performer === DEMO) return 0;
  if (performer === FILE_PLAYER) return 1;
  return SHARED + (Math.max(0, performer - FIRST_PERFORMER) % (VOICES - SHARED));
}

/**
 * @param {number} performer
 * @param {readonly {id: number, name: string}[]} performers those that the server named
 */
export function nameOfPerformer(performer, performers) {
  const named = performers.find(({ id }) => id === performer)?.name;
  if (named) return named;
  if (performer === LOCAL) return say("local");
  if (performer === DEMO) return say("demo");
  return performer === FILE_PLAYER ? say("file") : say("performer", { number: performer - FIRST_PERFORMER + 1 });
}
