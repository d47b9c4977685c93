// @ts-check
/**
 * From an audio context to the ear, as far as the browser says.
 *
 * Firefox on Linux is not asked: it answers by way of PulseAudio's lock while it holds the lock of its own audio thread, and
 * that thread holds the former while it waits for the latter. Now and then both wait for ever, and the page with them.
 *
 * @param {AudioContext} context
 * @returns {number | null} milliseconds
 */
export function outputLatencyMs(context) {
  if (context.state !== "running" || /Linux.*Firefox\//.test(navigator.userAgent)) return null;
  const seconds = context.outputLatency || context.baseLatency || 0;
  return seconds > 0 ? seconds * 1000 : null;
}
