// @ts-check
/** Leaves one way in an SDP answer (RFC 8839, section 5.1): candidates by UDP or by TCP (RFC 6544). Pure. */

/** @typedef {"udp" | "tcp" | "turn"} WayName a relay reaches the server by UDP */

/** @param {string} line @param {WayName} name */
function leads(line, name) {
  const transport = /^a=candidate:\S+ \d+ (\S+) /i.exec(line)?.[1]?.toLowerCase();
  return transport === (name === "tcp" ? "tcp" : "udp");
}

/**
 * @param {string} answer
 * @param {WayName} name
 * @returns {boolean} whether it names an address by this way
 */
export const hasWay = (answer, name) => answer.split(/\r?\n/).some((line) => leads(line, name));

/**
 * @param {string} answer
 * @param {WayName} name
 * @returns {string} without the candidates of other ways
 */
export function onlyBy(answer, name) {
  return answer
    .split("\r\n")
    .filter((line) => !line.startsWith("a=candidate:") || leads(line, name))
    .join("\r\n");
}
