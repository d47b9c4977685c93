// @ts-check
/** What the server sends in place of a page's script when it has another version: the page was kept, or loaded before an update. */

import { reloadOnce } from "./reload.js";

if (!reloadOnce(import.meta.url)) {
  const headline = document.getElementById("headline") ?? document.getElementById("rooms-note");
  if (headline) headline.textContent = "This page is older than its server. Load it again.";
}
