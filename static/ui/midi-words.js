// @ts-check
/** Says how it stands with MIDI devices of this computer, and what to do where none plays. Pure. */

const ALL_THE_SAME = "The keys on the screen play all the same.";

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
  if (!supported && !secure) return `MIDI keyboards need a secure page: open this one by https, or on the server’s own machine. ${ALL_THE_SAME}`;
  if (!supported) return `This browser has no Web MIDI; Chrome, Edge and Firefox have it. ${ALL_THE_SAME}`;
  if (asked && !chosen && wanted) return `${wanted} is not plugged in; it is used again when it is.`;
  if (refused) return `This browser keeps MIDI devices from the page. Allow them in its settings for this site, left of the address, and press again. ${ALL_THE_SAME}`;
  return asked && present === 0 ? "No MIDI device is plugged in. One that you plug in appears here." : "";
}
