// @ts-check
/** Studio, and what the page shows of it: loaded when somebody chooses Studio, not before. */

import { Studio } from "../studio/studio.js";
import { StudioFigures } from "../ui/studio-figures.js";
import { SafetyControl } from "../ui/studio-safety.js";

/** @typedef {import("../studio/quality.js").Pin} Pin */

/**
 * @typedef {object} Surroundings what Studio is put into; the first four as its constructor has them
 * @property {string} url
 * @property {import("../studio/studio.js").ListenSide} listen
 * @property {import("../studio/studio.js").StageSide} stage
 * @property {() => void} tell
 * @property {(figures: StudioFigures) => void} add takes in what shows the figures
 * @property {() => boolean} plays whether this page performs
 * @property {(pin: Pin) => void} pinned what a performer holds from now on
 * @property {(place: number) => void} placed how much the ring is to bridge from now on
 */

/**
 * @param {Surroundings} surroundings
 * @param {number} place how much the ring is to bridge
 */
export function makeStudio({ url, listen, stage, tell, add, plays, pinned, placed }, place) {
  const studio = new Studio(url, listen, stage, tell);
  add(new StudioFigures({ plays, pinned }));
  const safety = new SafetyControl(place, placed);
  return { studio, showRing: () => safety.show(studio.stats?.ring ?? null) };
}
