// @ts-check
/**
 * The time from an audio context to the ear, as far as the browser says.
 *
 * Firefox on Linux is not asked. To answer, it takes PulseAudio's lock while it holds the one of its audio thread, which holds
 * PulseAudio's while it waits for its own. Now and then the two wait for each other for ever, and the page with them.
 *
 * @param {AudioContext} context
 * @returns {number | null} milliseconds
 */
export function outputLatencyMs(context) {
  if (context.state !== "running" || /Linux.*Firefox\//.test(navigator.userAgent)) return null;
  const seconds = context.outputLatency || context.baseLatency || 0;
  return seconds > 0 ? seconds * 1000 : null;
}
