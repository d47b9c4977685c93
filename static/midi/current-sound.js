// @ts-check
/** Finds the instrument's present sound from the room's bank and program cells. Pure. */

import { PROGRAM, controllerCell } from "../channel/cells.js";
import { soundId } from "./sound-list.js";

/**
 * @param {ReadonlyMap<number, number>} cells of the room (performer 0)
 * @param {number} channel 0–15
 * @param {readonly import("./sound-list.js").Scheme[]} schemes
 * @returns {string | null} its id; null while no program was chosen, or when no scheme has it
 */
export function currentSound(cells, channel, schemes) {
  const program = cells.get((channel << 12) | PROGRAM);
  if (program === undefined) return null;
  // Without the schemes' bank select numbers several schemes cannot be told apart.
  if (schemes.length > 1 && schemes.every(({ bankMsb }) => bankMsb === null)) return null;
  const msb = cells.get(controllerCell(channel, 0)) ?? 0;
  const lsb = cells.get(controllerCell(channel, 32)) ?? 0;
  for (const { id, bankMsb, banks, programs } of schemes) {
    const bank = bankMsb === null ? banks[0] : lsb;
    if (bankMsb !== null && bankMsb !== msb) continue;
    if (bank >= banks[0] && bank <= banks[1] && program >= programs[0] && program <= programs[1]) {
      return soundId(id, bank, program);
    }
  }
  return null;
}
