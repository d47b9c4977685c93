// @ts-check
/** What the drawer for handing a room on says. */

import { speaker } from "./say.js";

export const SHARE = /** @type {const} */ ({
  title: "Share this room",
  link: "Link for listeners",
  copy: "Copy",
  copied: "Copied.",
  marked: "It is marked: copy it with your device.",
  send: "Send…",
  unsent: "It could not be sent. Copy the link.",
  code: "QR code of the link for listeners",
  scan: "Point a phone’s camera at it.",
  type: "To type in: {link}",
  local: "This link works on this machine only. Open the page by the machine’s address in the network to share it.",
  sites: "Show it on another site",
  element: "As an element",
  frame: "In a frame",
  closed: "Other sites may not show it yet: this server’s configuration has to name them in embed_ancestors.",
  close: "Close",
});

export const say = speaker("share", SHARE);
