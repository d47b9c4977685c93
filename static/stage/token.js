// @ts-check
/** Takes the token out of a performer's link, `#perform=TOKEN`: it becomes a secret of this tab and leaves the address bar. */

import { roomPage } from "../connection/server.js";

const MAX_TOKEN = 1024;

/**
 * @param {string} hash of the address, with or without #
 * @returns {string | null}
 */
export function tokenIn(hash) {
  const token = new URLSearchParams(hash.replace(/^#/, "")).get("perform");
  return token && token.length <= MAX_TOKEN && /^[\w.~-]+$/.test(token) ? token : null;
}

/** @param {string} room of this server: another one may be published at the same host, under another prefix */
const keyOf = (room) => `rtcserver.perform.${roomPage(room)}`;

/**
 * Reads the token of this tab for the room, from the address first.
 *
 * @param {string} room
 * @returns {string | null}
 */
export function takeToken(room) {
  const fresh = tokenIn(location.hash);
  // The address bar must not make performers of those who look over a shoulder, or get the address by copy and paste.
  if (location.hash.includes("perform=")) history.replaceState(history.state, "", location.pathname + location.search);
  try {
    if (fresh) sessionStorage.setItem(keyOf(room), fresh);
    return fresh ?? sessionStorage.getItem(keyOf(room));
  } catch {
    return fresh;
  }
}

/** @param {string} room */
export function dropToken(room) {
  try {
    sessionStorage.removeItem(keyOf(room));
  } catch {
    // No storage: there is nothing to forget.
  }
}
