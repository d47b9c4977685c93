// @ts-check
/** Where the server's addresses are for this page, whatever prefix a proxy in front of the server cuts off. */

/**
 * The path of the server's root with a slash at its end: "/", or "/montage/" where a proxy publishes the server there. This
 * script is always at static/connection/ below it.
 */
export const ROOT = new URL("../../", import.meta.url).pathname;

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
 * @returns {{stream: string, playlist: string}} addresses of the room's sound for players without WebRTC
 */
export const roomLive = (room) => ({ stream: `${roomPage(room)}/live.opus`, playlist: `${roomPage(room)}/live.m3u` });

/**
 * @param {string} [room] name; without one, the list of rooms
 * @returns {string} address of what the API tells about it
 */
export const roomApi = (room) => (room === undefined ? `${ROOT}api/rooms` : `${ROOT}api/rooms/${encodeURIComponent(room)}`);
