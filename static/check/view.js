// @ts-check
/** The list of tests on the page: one item each, which says its state in words. */

import { byId, setText } from "../ui/dom.js";
import { STATES, TESTS } from "./verdicts.js";

/** @typedef {import("./verdicts.js").Line} Line */
/** @typedef {import("./verdicts.js").TestId} TestId */

export class CheckList {
  /** @type {Map<TestId, {item: HTMLElement, state: HTMLElement, found: HTMLElement, todo: HTMLElement}>} */
  #items = new Map();

  constructor() {
    const list = byId("checks", HTMLElement);
    for (const id of /** @type {TestId[]} */ (Object.keys(TESTS))) {
      const { name, means } = TESTS[id];
      const item = made("li", "check-line");
      const [title, state, found, meaning, todo] = [made("h2", ""), made("strong", "check-state"), made("p", "check-found"), made("p", "check-means"), made("p", "check-todo")];
      const head = made("div", "check-head");
      item.id = `check-${id}`;
      item.dataset.testid = item.id;
      title.textContent = name;
      meaning.textContent = means;
      head.append(title, state);
      item.append(head, found, meaning, todo);
      list.append(item);
      this.#items.set(id, { item, state, found, todo });
      this.show(id, { state: "waits", found: "" });
    }
  }

  /** @param {TestId} id @param {Line} line */
  show(id, { state, found, todo = "" }) {
    const parts = this.#items.get(id);
    if (!parts) return;
    parts.item.dataset.state = state;
    setText(parts.state, STATES[state]);
    setText(parts.found, found);
    setText(parts.todo, todo);
    parts.found.hidden = found === "";
    parts.todo.hidden = todo === "";
  }
}

/** @param {string} tag @param {string} name */
function made(tag, name) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  return element;
}
