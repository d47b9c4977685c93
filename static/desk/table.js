// @ts-check
/**
 * The table of people: a row each, which sorts by the buttons in its head and keeps its rows, so that the keyboard's focus stays where
 * it is. Names come from strangers: they are only ever text, each in an element of its own direction.
 *
 * For tests and tools these names are stable: tr[data-id], in it td[data-cell="name"] (mode, delay, lost, since, deeds), its buttons
 * [data-deed="mute"] (remove, confirm, keep-out, cancel); th[data-column] with aria-sort.
 */

import { setText } from "../ui/dom.js";
import { milliseconds, percent } from "../ui/format.js";
import { say } from "../words/desk.js";
import { sorted } from "./people.js";

/** @typedef {import("./people.js").Person} Person */
/** @typedef {import("./people.js").Column} Column */
/** @typedef {"mute" | "unmute" | "remove" | "keep-out"} Deed */
/** @typedef {{row: HTMLTableRowElement, cells: Record<string, HTMLElement>, deeds: string}} Shown */

/** @type {readonly Column[]} */
const COLUMNS = ["name", "mode", "delay", "lost", "since"];
/** Columns in which the largest is what one looks for. @type {readonly Column[]} */
const DOWN_FIRST = ["delay", "lost", "since"];
const UNKNOWN = "–";

export class PeopleTable {
  #act;
  #body = document.createElement("tbody");
  /** @type {Map<Column, HTMLElement>} */
  #heads = new Map();
  /** @type {Map<string, Shown>} */
  #rows = new Map();
  /** @type {import("./people.js").Order} */
  #order = { column: "since", down: true };
  /** @type {Person[]} */
  #people = [];
  #own = "";
  #keepOutMin = 10;
  #admin = false;
  /** The person of whom it is asked whether they are to go. */
  #asked = "";

  /**
   * @param {HTMLElement} box that it fills
   * @param {(person: Person, deed: Deed) => void} act
   */
  constructor(box, act) {
    this.#act = act;
    const table = made("table", "people");
    table.dataset.testid = "people";
    const caption = made("caption", "desk-unseen");
    caption.textContent = say("caption");
    const head = document.createElement("thead");
    const line = document.createElement("tr");
    for (const column of COLUMNS) line.append(this.#head(column));
    const last = document.createElement("th");
    last.scope = "col";
    const unseen = made("span", "desk-unseen");
    unseen.textContent = say("column.deeds");
    last.append(unseen);
    line.append(last);
    head.append(line);
    // Narrow screens lay rows out as blocks, for which some browsers forget that they are a table's.
    table.setAttribute("role", "table");
    for (const group of [head, this.#body]) group.setAttribute("role", "rowgroup");
    line.setAttribute("role", "row");
    for (const cell of line.children) cell.setAttribute("role", "columnheader");
    table.append(caption, head, this.#body);
    box.replaceChildren(table);
    this.#showOrder();
  }

  /**
   * @param {readonly Person[]} people
   * @param {{own: string, admin: boolean, keepOutS: number}} known own: the id of this page's session
   */
  show(people, { own, admin, keepOutS }) {
    this.#people = [...people];
    [this.#own, this.#admin, this.#keepOutMin] = [own, admin, Math.round(keepOutS / 60)];
    this.#write();
  }

  #write() {
    const there = new Set(this.#people.map(({ id }) => id));
    for (const [id, { row }] of this.#rows) {
      if (there.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    const order = sorted(this.#people, this.#order);
    for (const person of order) this.#show(person);
    // Rows do not run away from under a finger or the keyboard's focus.
    if (this.#body.contains(document.activeElement)) return;
    order.forEach(({ id }, at) => {
      const row = this.#rows.get(id)?.row;
      const now = this.#body.children[at] ?? null;
      if (row && row !== now) this.#body.insertBefore(row, now);
    });
  }

  /** @param {Person} person */
  #show(person) {
    const shown = this.#rows.get(person.id) ?? this.#add(person.id);
    const { cells } = shown;
    const { name, mode, delay, lost, since } = /** @type {Record<Column, HTMLElement>} */ (cells);
    const marks = [
      person.id === this.#own && say("you"),
      person.performs && say("performs"),
      person.muted && say("muted"),
      person.admin && say("admin"),
    ];
    twoLines(name, person.name || (person.page ? say("nameless") : say("player")), [...marks, person.browser]);
    name.classList.toggle("nameless", person.name === "");
    twoLines(mode, person.connected ? modeWords(person) : say("connecting"), [qualityWords(person), person.path.toUpperCase()]);
    const { strip } = person;
    const hops = strip?.hops.filter(({ ms }) => ms > 0).map(({ name: hop, ms }) => say(`hop.${hop}`, { ms })) ?? [];
    twoLines(delay, strip ? say("ms", { ms: milliseconds(strip.totalMs) }) : UNKNOWN, hops);
    twoLines(lost, lostWords(person), []);
    twoLines(since, duration(person.sinceS), []);
    this.#showDeeds(shown, person);
  }

  /** @param {string} id */
  #add(id) {
    const row = document.createElement("tr");
    row.dataset.id = id;
    row.setAttribute("role", "row");
    /** @type {Record<string, HTMLElement>} */
    const cells = {};
    for (const name of [...COLUMNS, "deeds"]) {
      const cell = document.createElement("td");
      cell.dataset.cell = name;
      cell.setAttribute("role", "cell");
      if (name !== "deeds") cell.append(made("b", "desk-main"), made("small", "desk-more"));
      cells[name] = cell;
      row.append(cell);
    }
    this.#body.append(row);
    const shown = { row, cells, deeds: "" };
    this.#rows.set(id, shown);
    return shown;
  }

  /** @param {Shown} shown @param {Person} person */
  #showDeeds(shown, person) {
    const may = person.id !== this.#own && (this.#admin || !person.admin);
    const asks = may && this.#asked === person.id;
    const key = `${may} ${asks} ${person.performs} ${person.muted} ${person.name}`;
    if (shown.deeds === key) return;
    shown.deeds = key;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const within = focused !== null && shown.row.contains(focused) ? focused.dataset.deed : undefined;
    const buttons = may ? (asks ? this.#confirmation(person) : this.#offers(person)) : [];
    shown.cells.deeds?.replaceChildren(...buttons);
    if (within === undefined) return;
    const next = buttons.find(({ dataset }) => dataset.deed === within) ?? buttons[0];
    next?.focus();
  }

  /** @param {Person} person @returns {HTMLButtonElement[]} */
  #offers(person) {
    const who = { who: person.name || person.browser || say("nameless") };
    const found = [];
    if (person.performs) {
      const deed = person.muted ? "unmute" : "mute";
      const button = deedButton("mute", say(deed), say(`${deed}.of`, who), () => this.#act(person, deed));
      found.push(button);
    }
    found.push(deedButton("remove", say("remove"), say("remove.of", who), () => this.#ask(person.id)));
    return found;
  }

  /** @param {Person} person @returns {HTMLButtonElement[]} */
  #confirmation(person) {
    const who = { who: person.name || person.browser || say("nameless") };
    const min = { min: this.#keepOutMin };
    const act = (/** @type {Deed} */ deed) => () => {
      this.#asked = "";
      this.#act(person, deed);
    };
    const confirm = deedButton("confirm", say("remove"), say("remove.of", who), act("remove"));
    const keep = deedButton("keep-out", say("keep-out", min), say("keep-out.of", { ...who, ...min }), act("keep-out"));
    for (const button of [confirm, keep]) button.classList.add("danger");
    return [confirm, keep, deedButton("cancel", say("cancel"), say("cancel"), () => this.#ask(""))];
  }

  /** @param {string} id */
  #ask(id) {
    const before = this.#asked;
    this.#asked = id;
    this.#write();
    // The button that was pressed is gone: its row's first one takes its place.
    this.#rows.get(id || before)?.row.querySelector("button")?.focus();
  }

  /** @param {Column} column */
  #head(column) {
    const head = document.createElement("th");
    head.scope = "col";
    head.dataset.column = column;
    const button = made("button", "desk-sort");
    button.type = "button";
    button.textContent = say(`column.${column}`);
    button.addEventListener("click", () => this.#sort(column));
    head.append(button);
    this.#heads.set(column, head);
    return head;
  }

  /** @param {Column} column */
  #sort(column) {
    const same = this.#order.column === column;
    this.#order = { column, down: same ? !this.#order.down : DOWN_FIRST.includes(column) };
    this.#showOrder();
    this.#write();
  }

  #showOrder() {
    const { column, down } = this.#order;
    for (const [name, head] of this.#heads) {
      if (name === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }
}

/** @param {Person} person */
function modeWords({ mode }) {
  return mode === "listen" || mode === "studio" || mode === "studio-channel" || mode === "live" ? say(`mode.${mode}`) : mode;
}

/** @param {Person} person */
function qualityWords({ quality }) {
  const known = /** @type {const} */ (["exact", "light", "both", "high", "middle", "low"]).find((one) => one === quality);
  return known ? say(`quality.${known}`) : "";
}

/** @param {Person} person */
function lostWords({ lost, lostPercent }) {
  if (lostPercent !== null) return percent(lostPercent);
  return lost === null ? UNKNOWN : String(lost);
}

/** @param {number} seconds */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return say("seconds", { s: Math.floor(seconds) });
  return minutes < 60 ? say("minutes", { m: minutes }) : say("hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

/**
 * @param {HTMLElement} cell
 * @param {string} first
 * @param {readonly (string | false)[]} more
 */
function twoLines(cell, first, more) {
  const [main, second] = cell.children;
  setText(/** @type {HTMLElement} */ (main), first);
  setText(/** @type {HTMLElement} */ (second), more.filter(Boolean).join(", "));
}

/**
 * @param {string} deed
 * @param {string} text
 * @param {string} name what it is called for those who hear it
 * @param {() => void} act
 */
function deedButton(deed, text, name, act) {
  const button = made("button", "desk-deed");
  button.type = "button";
  button.dataset.deed = deed;
  button.textContent = text;
  button.setAttribute("aria-label", name);
  button.addEventListener("click", act);
  return button;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} name
 */
function made(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}
