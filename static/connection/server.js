// @ts-check
/** Where the server's addresses are for this page, whatever prefix a proxy in front of the server cuts off. */

/**
 * @param {string} address of this script: static/connection/server.js below the server's root, or with a version after static/
 * @returns {string} the root's path, with a slash at its end
 */
export function rootOf(address) {
  const up = /\/@[0-9a-f]+\/connection\/[^/]*$/.test(address) ? "../../../" : "../../";
  return new URL(up, address).pathname;
}

/** The path of the server's root: "/", or "/montage/" where a proxy publishes the server there. */
export const ROOT = rootOf(import.meta.url);

/**
 * Goes with each request of the page, so that the server, when it refuses, asks for no password: the browser would ask whoever
 * looks at the page, every few seconds, and what is missing is a link.
 */
export const FROM_PAGE = Object.freeze({ "X-Requested-With": "rtcserver" });

/**
 * @param {string} room name
 * @returns {string} address of the room's page
 */
export const roomPage = (room) => `${ROOT}r/${encodeURIComponent(room)}`;

/**
 * @param {string} room name
 * @returns {string} address that takes the room's offers
 */
export const roomWhep = (room) => `${roomPage(room)}/whep`;

/**
 * @param {string} room name
 * @returns {string} address of the page that tests this browser and its way to the room
 */
export const checkPage = (room) => `${ROOT}check?room=${encodeURIComponent(room)}`;

/** Address of the server's clock. */
export const CLOCK = `${ROOT}api/clock`;

/**
 * @param {string} room name
 * @returns {string} address of what the token that is shown allows in the room
 */
export const roomRights = (room) => `${roomApi(room)}/rights`;

/**
 * @param {string} room name
 * @returns {{stream: string, playlist: string}} addresses of the room's sound for players without WebRTC
 */
export const roomLive = (room) => ({ stream: `${roomPage(room)}/live.opus`, playlist: `${roomPage(room)}/live.m3u` });

/**
 * @param {string} [room] name; without one, the list of rooms
 * @returns {string} address of what the API tells about it
 */
export const roomApi = (room) => (room === undefined ? `${ROOT}api/rooms` : `${ROOT}api/rooms/${encodeURIComponent(room)}`);
