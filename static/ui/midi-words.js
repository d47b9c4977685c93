// @ts-check
/** Says how it stands with MIDI devices of this computer, and what to do where none plays. Pure. */

import { say } from "../words/stage.js";

/**
 * @param {object} devices
 * @param {boolean} devices.supported whether this page has Web MIDI
 * @param {boolean} devices.secure whether the page is a secure context, which Web MIDI needs
 * @param {boolean} devices.asked whether the permission was given
 * @param {boolean} devices.refused whether it was refused
 * @param {number} devices.present how many are plugged in
 * @param {string | null} devices.chosen
 * @param {string | null} devices.wanted name of the remembered one
 * @returns {string} "" where all is well
 */
export function midiNote({ supported, secure, asked, refused, present, chosen, wanted }) {
  if (!supported && !secure) return say("midi.insecure");
  if (!supported) return say("midi.missing");
  if (asked && !chosen && wanted) return say("midi.unplugged", { name: wanted });
  if (refused) return say("midi.refused");
  return asked && present === 0 ? say("midi.none") : "";
}
