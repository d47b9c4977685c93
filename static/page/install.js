// @ts-check
/** Lets the browser install the room as an app: the page is one for all rooms, and each room has a manifest of its own. */

import { roomPage } from "../connection/server.js";

/** @param {string} room name */
export function offerApp(room) {
  add("manifest", `${roomPage(room)}/app.webmanifest`);
  // iOS takes this one on the home screen.
  add("apple-touch-icon", new URL("../icon/touch-180.png", import.meta.url).href);
}

/** @param {string} rel @param {string} href */
function add(rel, href) {
  const link = document.createElement("link");
  link.rel = rel;
  link.href = href;
  document.head.append(link);
}
