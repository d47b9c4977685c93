// @ts-check
/** The start page: the list of rooms. */

import "../ui/translate.js";
import { Watch, readRooms } from "../connection/room.js";
import { roomApi, roomPage } from "../connection/server.js";
import { byId, setText } from "../ui/dom.js";
import { doorWords } from "../ui/refusals.js";
import { instrumentLine } from "../ui/words.js";
import { say } from "../words/rooms.js";

/** @typedef {import("../connection/room.js").Room} Room */

const note = byId("rooms-note", HTMLElement);
const list = byId("rooms", HTMLElement);
let shown = "";

new Watch(roomApi(), readRooms, (asked) => {
  if (asked.kind === "refused") {
    setText(note, doorWords(asked.why, asked.message || say("closed")).detail);
    return;
  }
  if (asked.kind !== "known") {
    setText(note, say("away"));
    forget();
    return;
  }
  const rooms = asked.value;
  setText(note, rooms.length > 0 ? say("choose") : say("none"));
  const next = JSON.stringify(rooms);
  // An unchanged list stays as it is: rebuilding it would take the keyboard's focus away every three seconds.
  if (next !== shown) show(rooms);
  shown = next;
});

/** What was said of the rooms may be true no longer. */
function forget() {
  shown = "";
  for (const state of list.querySelectorAll("em")) setText(state, say("state.unknown"));
  for (const link of list.querySelectorAll("a")) link.dataset.tone = "rest";
}

/**
 * @param {Room[]} rooms
 */
function show(rooms) {
  const focused = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.href : null;
  list.replaceChildren(...rooms.map(card));
  for (const link of list.querySelectorAll("a")) if (link.href === focused) link.focus();
}

/**
 * @param {Room} room
 */
function card(room) {
  const silent = room.instrument.state === "silent";
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = roomPage(room.name);
  link.className = "room";
  link.dataset.testid = `room-${room.name}`;
  link.dataset.tone = silent ? "warn" : "good";
  const state = silent ? room.instrument.error || say("state.silent") : people(room.listeners);
  link.append(line("strong", room.title), line("span", instrumentLine(room)), line("em", state));
  item.append(link);
  return item;
}

/**
 * @param {number} listeners
 */
function people(listeners) {
  return listeners > 0 ? say("state.heard", { n: listeners }) : say("state.live");
}

/**
 * @param {string} tag
 * @param {string} text
 */
function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
