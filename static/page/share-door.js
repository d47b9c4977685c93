// @ts-check
/** The button that hands the room on. What it opens is loaded when it is pressed. */

import { roomPage } from "../connection/server.js";
import { byId } from "../ui/dom.js";

/**
 * @param {string} room name
 * @param {() => string} title what the room is called by now
 */
export function wireShare(room, title) {
  const button = byId("share", HTMLButtonElement);
  /** @type {Promise<typeof import("./share-part.js")> | null} */
  let coming = null;
  const load = () => {
    coming ??= import("./share-part.js");
    return coming;
  };
  button.addEventListener("pointerenter", () => load().catch(() => (coming = null)));
  button.addEventListener("click", async () => {
    try {
      (await load()).openShare(room, title());
    } catch {
      // What did not come is tried again at the next press; the code itself needs no script.
      coming = null;
      location.assign(`${roomPage(room)}/qr.svg`);
    }
  });
}
