// @ts-check
/** Asks the server what a link allows, before the page shows what would then be refused. */

import { FROM_PAGE, roomRights } from "./server.js";

/**
 * @typedef {{kind: "allowed"} | {kind: "refused", message: string, listens: boolean} | {kind: "unknown"}} Right
 *   listens: whether it lets its holder listen all the same. unknown: the server did not say, so that a session has to find out
 */

const ASK_MS = 5_000;

/**
 * @param {any} body of the server's answer
 * @param {"listen" | "perform"} action
 * @returns {Right} Pure
 */
export function readRight(body, action) {
  const said = body?.[action];
  if (said?.allowed === true) return { kind: "allowed" };
  // Anything but the link itself may be another way to let its holder in.
  if (said?.allowed !== false || said.error !== "bad_token") return { kind: "unknown" };
  const message = typeof said.message === "string" ? said.message.slice(0, 400) : "";
  return { kind: "refused", message, listens: body.listen?.allowed === true };
}

/**
 * @param {string} room name
 * @param {string} token of a performer's link
 * @returns {Promise<Right>} whether it lets its holder play
 */
export async function mayPerform(room, token) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ASK_MS);
  try {
    const headers = { ...FROM_PAGE, Authorization: `Bearer ${token}` };
    const response = await fetch(roomRights(room), { cache: "no-store", headers, signal: limit.signal });
    return response.ok ? readRight(await response.json(), "perform") : { kind: "unknown" };
  } catch {
    return { kind: "unknown" };
  } finally {
    clearTimeout(timer);
  }
}
