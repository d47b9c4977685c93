// @ts-check
/** Which way the media takes, as the browser's counters say (W3C webrtc-stats). Pure. */

/** @typedef {{type?: string, id?: string, [name: string]: any}} Stat */
/** @typedef {"udp" | "tcp" | "relay"} MediaPath straight by UDP, straight by TCP, or by a TURN server */

/**
 * The pair that carries the media. Chromium names it in the transport; Firefox marks it `selected`.
 *
 * @param {Stat[]} stats
 * @returns {Stat | undefined}
 */
export function selectedPair(stats) {
  const selectedId = stats.find((stat) => stat.type === "transport")?.selectedCandidatePairId;
  return (
    stats.find((stat) => stat.type === "candidate-pair" && stat.id === selectedId) ??
    stats.find((stat) => stat.type === "candidate-pair" && (stat.selected || (stat.nominated && stat.state === "succeeded")))
  );
}

/**
 * @param {Stat[]} stats
 * @returns {MediaPath | null} null while no pair is selected, and where the browser does not say
 */
export function mediaPath(stats) {
  const pair = selectedPair(stats);
  const local = stats.find((stat) => stat.type === "local-candidate" && stat.id === pair?.localCandidateId);
  if (local?.candidateType === "relay") return "relay";
  const protocol = String(local?.protocol ?? "").toLowerCase();
  return protocol === "udp" || protocol === "tcp" ? protocol : null;
}

/** @typedef {"wifi" | "cable" | "mobile" | "other"} NetworkKind */

/**
 * What kind of network this end is on, as far as the browser tells (only Chromium's `networkType` does).
 *
 * @param {Stat[]} stats
 * @returns {NetworkKind}
 */
export function networkKind(stats) {
  const pair = selectedPair(stats);
  const local = stats.find((stat) => stat.type === "local-candidate" && stat.id === pair?.localCandidateId);
  switch (local?.networkType) {
    case "wifi":
      return "wifi";
    case "ethernet":
      return "cable";
    case "cellular":
      return "mobile";
    default:
      return "other";
  }
}
