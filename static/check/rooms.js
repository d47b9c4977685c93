// @ts-check
/** Which room the tests may try, and what one may do there. */

import { FROM_PAGE, roomApi, roomRights } from "../connection/server.js";
import { authorization } from "../connection/token.js";

const ASK_MS = 5_000;

/**
 * @param {string} search of the address: "?room=main"
 * @returns {string | null} the room that the page was opened for
 */
export const roomIn = (search) => new URLSearchParams(search).get("room")?.slice(0, 200) || null;

/**
 * @param {string | null} wanted
 * @param {any} listed the server's list of rooms; null where it tells nothing
 * @returns {string | null} the room to try: the wanted one, unless there is certainly none; else the first
 */
export function roomToTry(wanted, listed) {
  /** @type {unknown[]} */
  const names = Array.isArray(listed?.rooms) ? listed.rooms.map((/** @type {any} */ room) => room?.name) : [];
  const known = names.filter((name) => typeof name === "string");
  if (wanted !== null && (known.length === 0 || known.includes(wanted))) return wanted;
  return known[0] ?? null;
}

/**
 * @param {string | null} wanted
 * @returns {Promise<{room: string | null, rights: any}>} rights: as the server says them; null where it does not
 */
export async function findRoom(wanted) {
  const room = roomToTry(wanted, await asked(roomApi(), authorization(wanted === null ? "" : roomApi(wanted))));
  const rights = room === null ? null : await asked(roomRights(room), authorization(roomApi(room)));
  // A name that nobody knows is no room that could be tried.
  return rights?.error === "no_such_room" ? { room: null, rights: null } : { room, rights };
}

/** @param {string} url @param {Record<string, string>} shown @returns {Promise<any>} null if there is no answer */
async function asked(url, shown) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ASK_MS);
  try {
    const response = await fetch(url, { cache: "no-store", headers: { ...FROM_PAGE, ...shown }, signal: limit.signal });
    return response.ok || response.status === 404 ? await response.json() : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
