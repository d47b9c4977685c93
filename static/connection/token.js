// @ts-check
/**
 * Takes the token out of a link, `#perform=TOKEN` or `#listen=TOKEN`: it becomes a secret of this tab, leaves the address bar, and
 * is shown with each request about its room.
 */

import { ROOT, roomPage } from "./server.js";

const MAX_TOKEN = 1024;

/**
 * @param {string} hash of the address, with or without #
 * @param {"perform" | "listen"} [word] the kind of link
 * @returns {string | null}
 */
export function tokenIn(hash, word = "perform") {
  const token = new URLSearchParams(hash.replace(/^#/, "")).get(word);
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
  const toListen = tokenIn(location.hash, "listen");
  // The address bar must not make performers of those who look over a shoulder, or get the address by copy and paste.
  if (/(perform|listen)=/.test(location.hash)) history.replaceState(history.state, "", location.pathname + location.search);
  try {
    if (toListen) sessionStorage.setItem(`rtcserver.listen.${roomPage(room)}`, toListen);
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

/**
 * The header that shows this tab's token for a room.
 *
 * @param {string} url of the room's endpoint or of the API about it
 * @returns {Record<string, string>} empty where there is no token
 */
export function authorization(url) {
  const room = /\/(?:r|api\/rooms)\/([^/]+)/.exec(url)?.[1];
  if (room === undefined) return {};
  try {
    const page = `${ROOT}r/${room}`;
    const token =
      sessionStorage.getItem(`rtcserver.perform.${page}`) ?? sessionStorage.getItem(`rtcserver.listen.${page}`);
    return token ? { Authorization: `Bearer ${token}` } : {};
  } catch {
    return {};
  }
}
