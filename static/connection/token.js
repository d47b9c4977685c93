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
 * Forgets the performer's token of a room that did not let this tab in, where a listener's is kept, which may.
 *
 * @param {string} url of the room's endpoint
 * @param {string} [shown] the header that was shown to it
 * @returns {boolean} whether `authorization` shows another token now
 */
export function fallBack(url, shown) {
  const page = pageOf(url);
  const now = authorization(url).Authorization;
  // Meanwhile the page has found out that the performer's link is over.
  if (shown !== undefined && now !== undefined && now !== shown) return true;
  try {
    if (page === null || !sessionStorage.getItem(`rtcserver.perform.${page}`)) return false;
    if (!sessionStorage.getItem(`rtcserver.listen.${page}`)) return false;
    sessionStorage.removeItem(`rtcserver.perform.${page}`);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} url @returns {string | null} the address of the page of the room that an address is about */
function pageOf(url) {
  const room = /\/(?:r|api\/rooms)\/([^/]+)/.exec(url)?.[1];
  return room === undefined ? null : `${ROOT}r/${room}`;
}

/**
 * The header that shows this tab's token for a room.
 *
 * @param {string} url of the room's endpoint or of the API about it
 * @returns {Record<string, string>} empty where there is no token
 */
export function authorization(url) {
  const page = pageOf(url);
  if (page === null) return {};
  try {
    const token =
      sessionStorage.getItem(`rtcserver.perform.${page}`) ?? sessionStorage.getItem(`rtcserver.listen.${page}`);
    return token ? { Authorization: `Bearer ${token}` } : {};
  } catch {
    return {};
  }
}
