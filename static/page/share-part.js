// @ts-check
/**
 * The drawer that hands a room on: a link to copy or to send, its QR code, a short link to type in, and what shows the player on another
 * site. The link is always the one for listeners: nothing of this tab's address, and no token, is in it.
 *
 * For tests: #share-link #share-copy #share-send #share-code #share-short #share-element #share-frame #share-close.
 */

import { ROOT, roomPage } from "../connection/server.js";
import { setText } from "../ui/dom.js";
import { say } from "../words/share.js";
import { element as elementText, frame as frameText, isLocal, shortLink } from "./share-links.js";

/** @type {HTMLDialogElement | null} */
let dialog = null;

/**
 * @param {string} room name
 * @param {string} title
 */
export async function openShare(room, title) {
  if (dialog?.open) return;
  await style();
  dialog?.remove();
  dialog = drawer(room, title);
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * @param {string} room
 * @param {string} title
 */
function drawer(room, title) {
  const root = new URL(ROOT, location.href).href;
  const page = new URL(roomPage(room), location.href).href;
  const made = document.createElement("dialog");
  made.className = "share";
  made.setAttribute("aria-labelledby", "share-title");
  const told = make("p", { id: "share-told", role: "status" });
  const head = make("header", {}, make("h2", { id: "share-title" }, say("title")), button("share-close", say("close"), "quiet", () => made.close()));
  const link = field("share-link", say("link"), page, told);
  const buttons = /** @type {HTMLElement} */ (link.querySelector(".share-buttons"));
  if (typeof navigator.share === "function") buttons.prepend(button("share-send", say("send"), "plain", () => send(title, page, told)));
  const code = make("img", { id: "share-code", alt: say("code"), src: `${roomPage(room)}/qr.svg`, width: "240", height: "240" });
  const short = shortLink(root, room);
  const beside = make("div", { class: "share-beside" }, make("p", {}, say("scan")));
  if (short) beside.append(make("p", { id: "share-short" }, say("type", { link: short })));
  if (isLocal(location.hostname)) beside.append(make("p", { class: "share-warning" }, say("local")));
  const closed = make("p", { class: "share-warning", hidden: "" }, say("closed"));
  const sites = make(
    "details",
    { id: "share-sites" },
    make("summary", {}, say("sites")),
    closed,
    field("share-element", say("element"), elementText(root, room, title), told),
    field("share-frame", say("frame"), frameText(root, room, title), told),
  );
  sites.addEventListener("toggle", () => ask(`${roomPage(room)}/embed`, closed), { once: true });
  made.append(head, link, make("div", { class: "share-code" }, code, beside), sites, told);
  // A press beside the drawer closes it, as the Escape key does.
  made.addEventListener("click", ({ target }) => target === made && made.close());
  return made;
}

/**
 * A text that can be copied, with its name and its button.
 *
 * @param {string} id
 * @param {string} name
 * @param {string} text
 * @param {HTMLElement} told
 */
function field(id, name, text, told) {
  const long = text.includes("<");
  const box = document.createElement(long ? "textarea" : "input");
  box.id = id;
  box.readOnly = true;
  box.value = text;
  box.spellcheck = false;
  if (box instanceof HTMLTextAreaElement) box.rows = 4;
  box.addEventListener("focus", () => box.select());
  const copying = button(`${id}-copy`, say("copy"), "quiet", async () => setText(told, say((await copy(box)) ? "copied" : "marked")));
  copying.setAttribute("aria-label", `${say("copy")}: ${name}`);
  return make("div", { class: "share-field" }, make("label", { for: id }, name), box, make("div", { class: "share-buttons" }, copying));
}

/**
 * Copies what a field holds. A page by plain HTTP has no clipboard but the one of its fields.
 *
 * @param {HTMLInputElement | HTMLTextAreaElement} box
 * @returns {Promise<boolean>}
 */
async function copy(box) {
  try {
    await navigator.clipboard.writeText(box.value);
    return true;
  } catch {
    box.focus();
    box.select();
    return document.execCommand("copy");
  }
}

/**
 * @param {string} title
 * @param {string} url
 * @param {HTMLElement} told
 */
async function send(title, url, told) {
  try {
    await navigator.share({ title, url });
  } catch (error) {
    // Who closes the sheet has not failed.
    if (!(error instanceof DOMException && error.name === "AbortError")) setText(told, say("unsent"));
  }
}

/**
 * Shows a note where the server lets no other site show the player.
 *
 * @param {string} address of the player's page
 * @param {HTMLElement} note
 */
async function ask(address, note) {
  try {
    const policy = (await fetch(address, { method: "HEAD" })).headers.get("Content-Security-Policy") ?? "";
    note.hidden = !/frame-ancestors ('self'|'none')$/.test(policy);
  } catch {
    // It is not known.
  }
}

/** The drawer's own styles. @type {Promise<void> | null} */
let styled = null;

function style() {
  styled ??= new Promise((resolve) => {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL("../style/share.css", import.meta.url).href;
    sheet.onload = sheet.onerror = () => resolve();
    document.head.append(sheet);
  });
  return styled;
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} inside
 * @returns {HTMLElement}
 */
function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/**
 * @param {string} id
 * @param {string} text
 * @param {string} kind
 * @param {() => void} pressed
 */
function button(id, text, kind, pressed) {
  const element = make("button", { id, type: "button", class: kind }, text);
  element.addEventListener("click", pressed);
  return element;
}
