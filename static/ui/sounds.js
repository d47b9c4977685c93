// @ts-check
/** Shows the chosen sound to everybody, and to performers the list or grid to choose another. */

import { groupsOf, soundId, soundName } from "../midi/sound-list.js";
import { setText } from "./dom.js";
import { rove } from "./roving.js";
import { say } from "../words/stage.js";

/** @typedef {import("../midi/sound-list.js").Offer} Offer */
/** @typedef {import("../midi/sound-list.js").Scheme} Scheme */

export class Sounds {
  #now;
  #panel;
  #onSelect;
  /** @type {Offer | null} */
  #offer = null;
  #sound = "";
  /** @type {Map<string, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {HTMLElement[]} */
  #views = [];
  /** what makes a button the stop of the Tab key in its list @type {Map<HTMLButtonElement, (button: HTMLButtonElement) => void>} */
  #stops = new Map();

  /**
   * @param {HTMLElement} now where the chosen sound is named
   * @param {HTMLElement} panel where it is chosen
   * @param {(sound: string) => void} onSelect
   */
  constructor(now, panel, onSelect) {
    this.#now = now;
    this.#panel = panel;
    this.#onSelect = onSelect;
  }

  /** @param {Offer} offer */
  offer(offer) {
    this.#offer = offer;
    this.#buttons.clear();
    this.#stops.clear();
    const { schemes } = offer;
    this.#views = schemes.map((scheme) => this.#view(scheme));
    const tabs = schemes.length > 1 ? [this.#tabs(schemes)] : [];
    this.#panel.replaceChildren(...tabs, ...this.#views);
    this.#open(0);
    this.selected(this.#sound, "");
  }

  /** Whether there is anything to choose from here. */
  get any() {
    return (this.#offer?.selectable ?? false) && this.#views.length > 0;
  }

  /**
   * @param {string} sound id; "" when none is known
   * @param {string} by name of who chose it; "" when that is not known
   */
  selected(sound, by) {
    this.#buttons.get(this.#sound)?.removeAttribute("aria-current");
    this.#sound = sound;
    const button = this.#buttons.get(sound);
    button?.setAttribute("aria-current", "true");
    if (button) this.#stops.get(button)?.(button);
    const name = sound ? soundName(this.#offer?.schemes ?? [], sound) : "";
    setText(this.#now, name);
    this.#now.title = by ? say("chosen", { name: by }) : "";
    this.#now.dataset.sound = sound;
  }

  /** @param {Scheme[]} schemes */
  #tabs(schemes) {
    const tabs = document.createElement("div");
    tabs.className = "segments";
    tabs.setAttribute("role", "group");
    tabs.setAttribute("aria-label", say("ways"));
    schemes.forEach((scheme, index) => {
      const tab = make("button", "", scheme.title);
      tab.type = "button";
      tab.addEventListener("click", () => this.#open(index));
      tabs.append(tab);
    });
    return tabs;
  }

  /** @param {number} index */
  #open(index) {
    this.#views.forEach((view, at) => (view.hidden = at !== index));
    const tabs = this.#panel.querySelectorAll(".segments button");
    tabs.forEach((tab, at) => tab.setAttribute("aria-pressed", String(at === index)));
  }

  /** @param {Scheme} scheme @returns {HTMLElement} */
  #view(scheme) {
    const view = make("div", `sounds-${scheme.layout}`);
    if (scheme.layout === "grid") view.append(this.#grid(scheme));
    else if (scheme.layout === "list") view.append(this.#list(scheme));
    else view.append(this.#numbers(scheme));
    if (scheme.layout !== "numbers") {
      const stop = rove(view);
      for (const button of view.querySelectorAll("button")) this.#stops.set(button, stop);
    }
    if (scheme.note) view.append(make("p", "hint", scheme.note));
    return view;
  }

  /** @param {Scheme} scheme */
  #grid(scheme) {
    const grid = make("div", "sound-grid");
    for (let bank = scheme.banks[0]; bank <= scheme.banks[1]; bank += 1) {
      const row = make("div", "sound-row");
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", `${scheme.bankTitle} ${bank + 1}`);
      row.append(make("span", "sound-bank", scheme.bankNames[bank - scheme.banks[0]] || `${scheme.bankTitle} ${bank + 1}`));
      const slots = make("div", "sound-slots");
      for (let program = scheme.programs[0]; program <= scheme.programs[1]; program += 1) {
        const button = this.#button(soundId(scheme.id, bank, program), String(program + 1));
        button.setAttribute("aria-label", `${scheme.bankTitle} ${bank + 1}, ${scheme.programTitle.toLowerCase()} ${program + 1}`);
        slots.append(button);
      }
      row.append(slots);
      grid.append(row);
    }
    return grid;
  }

  /** @param {Scheme} scheme */
  #list(scheme) {
    const list = make("div", "sound-list");
    for (const { title, sounds } of groupsOf(scheme)) {
      const group = make("div", "sound-group");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", title || scheme.title);
      if (title) group.append(make("h3", "", title));
      group.append(...sounds.map(({ id, name }) => this.#button(id, name)));
      list.append(group);
    }
    return list;
  }

  /** @param {Scheme} scheme */
  #numbers(scheme) {
    const form = make("form", "sound-numbers");
    const bank = make("select");
    for (let at = scheme.banks[0]; at <= scheme.banks[1]; at += 1) {
      const name = scheme.bankNames[at - scheme.banks[0]];
      // An empty name in a list of names stands for a bank that the instrument does not have.
      if (scheme.bankNames.length > 0 && !name) continue;
      const option = make("option", "", name || `${scheme.bankTitle} ${at}`);
      option.value = String(at);
      bank.append(option);
    }
    const program = make("input");
    program.type = "number";
    program.inputMode = "numeric";
    program.required = true;
    [program.min, program.max] = [String(scheme.programs[0] + 1), String(scheme.programs[1] + 1)];
    program.value = program.min;
    const go = make("button", "quiet", say("select"));
    form.append(labelled(scheme.bankTitle, bank), labelled(scheme.programTitle, program), go);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#onSelect(soundId(scheme.id, Number(bank.value), Number(program.value) - 1));
    });
    return form;
  }

  /** @param {string} id @param {string} text */
  #button(id, text) {
    const button = make("button", "sound", text);
    button.type = "button";
    button.dataset.testid = `sound-${id}`;
    button.addEventListener("click", () => this.#onSelect(id));
    this.#buttons.set(id, button);
    return button;
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [className]
 * @param {string} [text]
 */
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** @param {string} text @param {HTMLElement} control */
function labelled(text, control) {
  const label = make("label", "field");
  label.append(make("span", "", text), control);
  return label;
}
