// @ts-check
/** The links and snippets that hand a room on. Pure: the server's address and a room in, texts out. */

/** Names with an address of their own at the server's root: rooms that are called so have no short link (signaling/share.py). */
export const TAKEN = Object.freeze(["check", "healthz", "metrics", "oembed", "trust"]);

/**
 * @param {string} root URL of the server, with a slash at its end
 * @param {string} room name
 * @returns {string | null} what is short to type in, without a scheme where browsers assume it; null if there is none
 */
export function shortLink(root, room) {
  if (TAKEN.includes(room.toLowerCase()) || !/^[A-Za-z0-9][\w-]{0,63}$/.test(room)) return null;
  return `${root.replace(/^http:\/\//, "")}${room}`;
}

/**
 * @param {string} root
 * @param {string} room
 * @param {string} title
 * @returns {string} HTML for another site: the element, with a link where no script runs
 */
export function element(root, room, title) {
  const page = `${root}r/${encodeURIComponent(room)}`;
  const script = tag("script", ["type", "module"], ["src", `${root}player.js`]);
  const player = tag("rtcserver-player", ["room", room], ["label", title]);
  return `${script}</script>\n${player}${tag("a", ["href", page])}${escaped(title)}</a></rtcserver-player>`;
}

/**
 * @param {string} root
 * @param {string} room
 * @param {string} title
 * @returns {string} HTML for another site: a frame
 */
export function frame(root, room, title) {
  const page = `${root}r/${encodeURIComponent(room)}/embed`;
  const size = /** @type {[string, string][]} */ ([["width", "420"], ["height", "132"], ["style", "border:0"], ["allow", "autoplay"]]);
  return `${tag("iframe", ["src", page], ...size, ["title", title])}</iframe>`;
}

/** @param {string} hostname @returns {boolean} whether a link with it leads others to their own machines */
export const isLocal = (hostname) => hostname === "localhost" || hostname.endsWith(".localhost") || /^127\./.test(hostname) || hostname === "[::1]";

/** @param {string} text as HTML has it in texts and attributes */
function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** @param {string} name @param {...[string, string]} attributes */
function tag(name, ...attributes) {
  return `<${[name, ...attributes.map(([key, value]) => `${key}="${escaped(value)}"`)].join(" ")}>`;
}
