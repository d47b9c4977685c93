// @ts-check
/** The list of tests on the page: one item each, which says its state in words. */

import { byId, setText } from "../ui/dom.js";
import { say, sayPhrase } from "../words/check.js";
import { TESTS } from "./verdicts.js";

/** @typedef {import("./verdicts.js").Line} Line */
/** @typedef {import("./verdicts.js").TestId} TestId */

export class CheckList {
  /** @type {Map<TestId, {item: HTMLElement, state: HTMLElement, found: HTMLElement, todo: HTMLElement}>} */
  #items = new Map();

  constructor() {
    const list = byId("checks", HTMLElement);
    for (const id of TESTS) {
      const item = made("li", "check-line");
      const [title, state, found, meaning, todo] = [made("h2", ""), made("strong", "check-state"), made("p", "check-found"), made("p", "check-means"), made("p", "check-todo")];
      const head = made("div", "check-head");
      item.id = `check-${id}`;
      item.dataset.testid = item.id;
      title.textContent = say(`name.${id}`);
      meaning.textContent = say(`means.${id}`);
      head.append(title, state);
      item.append(head, found, meaning, todo);
      list.append(item);
      this.#items.set(id, { item, state, found, todo });
      this.show(id, { state: "waits", found: null });
    }
  }

  /** @param {TestId} id @param {Line} line */
  show(id, { state, found, todo = "" }) {
    const parts = this.#items.get(id);
    if (!parts) return;
    parts.item.dataset.state = state;
    setText(parts.state, say(`state.${state}`));
    setText(parts.found, found === null ? "" : sayPhrase(found));
    setText(parts.todo, todo);
    parts.found.hidden = found === null;
    parts.todo.hidden = todo === "";
  }
}

/** @param {string} tag @param {string} name */
function made(tag, name) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  return element;
}
