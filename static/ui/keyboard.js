// @ts-check
/**
 * The keyboard as it is seen and touched. A key is *lit* while its note is heard, whoever plays it, and looks *pressed* while this
 * performer holds it. The two are independent: a key is pressed before its note is heard.
 */

import { FIRST, LAST, WHITES, keyAt, nameOf, nextZoom, onKeyboard, placeOf, within, zoomFor } from "../midi/keys.js";
import { velocityAt } from "../midi/velocity.js";
import { voiceOf } from "../midi/voices.js";

/** @typedef {import("../midi/keys.js").View} View */

/**
 * @typedef {object} Touch
 * @property {(source: string, note: number, velocity: number, atMs: number) => void} down
 * @property {(source: string, note: number, atMs: number) => void} up
 */

/**
 * Least width of a white key for fingers, and for a mouse and for what is written on it, in CSS pixels. Where keys are only looked
 * at, all 88 are shown at any width.
 */
const FINGER_PX = 34;
const MOUSE_PX = 15;
const KEY_VELOCITY = 88;

export class Keyboard {
  #scroller;
  #keys;
  #touch;
  #onView;
  #owner = new AbortController();
  /** @type {Map<number, HTMLElement>} */
  #elements = new Map();
  /** pointer → the note under it @type {Map<number, number>} */
  #pointers = new Map();
  #playable = false;
  #zoom = WHITES;
  #resized;
  /** Whether the performer has chosen how much to see. */
  #chosen = false;
  #focused = 60;
  /** @type {View | null} */
  #view = null;
  /** What the view stays around when the page changes its size, in white keys: middle C's octave at first. */
  #middle = placeOf(64).left;
  /** Where a scroll that is under way leads, in white keys. @type {number | null} */
  #aim = null;
  #pixels = 0;

  /**
   * @param {HTMLElement} scroller around the keys
   * @param {HTMLElement} keys
   * @param {Touch} touch
   * @param {() => void} onView another part of the keyboard is seen
   */
  constructor(scroller, keys, touch, onView) {
    this.#scroller = scroller;
    this.#keys = keys;
    this.#touch = touch;
    this.#onView = onView;
    this.#build();
    const { signal } = this.#owner;
    scroller.addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
    keys.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    keys.addEventListener("pointermove", (event) => this.#move(event), { signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      keys.addEventListener(end, (event) => this.#up(event), { signal });
    }
    // The browser's own gestures (long press, double tap, drag, focus) would take the finger away from the key.
    keys.addEventListener("contextmenu", (event) => this.#playable && event.preventDefault(), { signal });
    keys.addEventListener("mousedown", (event) => this.#playable && event.preventDefault(), { signal });
    keys.addEventListener("keydown", (event) => this.#keyDown(event), { signal });
    keys.addEventListener("keyup", (event) => this.#keyUp(event), { signal });
    this.#resized = new ResizeObserver(() => this.#fit());
    this.#resized.observe(scroller);
  }

  /** What is seen; measured only after it may have changed. @returns {View} */
  get view() {
    return (this.#view ??= this.#measured());
  }

  #measured() {
    const whole = this.#keys.clientWidth || 1;
    return {
      left: (this.#scroller.scrollLeft / whole) * WHITES,
      width: (this.#scroller.clientWidth / whole) * WHITES,
    };
  }

  get zoom() {
    return this.#zoom;
  }

  /** @param {boolean} playable whether keys can be played here */
  setPlayable(playable) {
    if (playable === this.#playable) return;
    this.#playable = playable;
    this.#keys.classList.toggle("playable", playable);
    if (playable) {
      this.#keys.setAttribute("role", "group");
      this.#keys.removeAttribute("aria-hidden");
    } else {
      // For those who only listen the list of performers says who plays what; 88 named keys would be in the way.
      this.#keys.setAttribute("aria-hidden", "true");
      this.liftAll();
    }
    for (const element of this.#elements.values()) {
      if (playable) element.setAttribute("role", "button");
      else element.removeAttribute("role");
    }
    this.#rove(this.#focused);
    this.#fit();
  }

  /**
   * @param {number} note
   * @param {number | null} performer whose note it is; null: no longer heard
   */
  light(note, performer) {
    const element = this.#elements.get(note);
    if (!element) return;
    if (performer === null) delete element.dataset.voice;
    else element.dataset.voice = String(voiceOf(performer));
  }

  /** @param {ReadonlySet<number>} notes that this performer holds */
  showPressed(notes) {
    for (const [note, element] of this.#elements) {
      const pressed = notes.has(note);
      if (element.classList.contains("pressed") === pressed) continue;
      element.classList.toggle("pressed", pressed);
    }
  }

  /** @param {ReadonlyMap<number, string>} legends note → the computer's key that plays it */
  showLegends(legends) {
    for (const [note, element] of this.#elements) {
      const legend = /** @type {HTMLElement} */ (element.lastElementChild);
      const text = legends.get(note) ?? "";
      if (legend.dataset.text !== text) legend.dataset.text = text;
    }
  }

  /** @param {1 | -1} by 1 shows more keys */
  zoomBy(by) {
    this.#chosen = true;
    this.#setZoom(nextZoom(this.#zoom, by));
  }

  /** @param {1 | -1} by octaves to the right */
  scrollBy(by) {
    this.#show((this.#aim ?? this.view.left) + 7 * by, true);
  }

  /** Scrolls so that this note can be seen. @param {number} low @param {number} high */
  reveal(low, high) {
    const { left, width } = this.view;
    const from = placeOf(low).left;
    const to = placeOf(high).left + 1;
    if (from >= left - 0.1 && to <= left + width + 0.1) return;
    this.#show((from + to - width) / 2, true);
  }

  /** Lets go of all pointers, as when the page loses the focus. */
  liftAll() {
    for (const [pointer, note] of [...this.#pointers]) {
      this.#pointers.delete(pointer);
      this.#touch.up(sourceOf(pointer), note, performance.now());
    }
  }

  close() {
    this.#owner.abort();
    this.#resized.disconnect();
  }

  #build() {
    const whites = document.createDocumentFragment();
    const blacks = document.createDocumentFragment();
    for (let note = FIRST; note <= LAST; note += 1) {
      const { left, width, black } = placeOf(note);
      const element = document.createElement("div");
      element.className = black ? "piano-key piano-black" : "piano-key piano-white";
      element.dataset.testid = `key-${note}`;
      element.dataset.note = String(note);
      element.setAttribute("aria-label", nameOf(note).replace("♯", " sharp "));
      element.style.left = `${(100 * left) / WHITES}%`;
      element.style.width = `${(100 * width) / WHITES}%`;
      const name = document.createElement("span");
      name.className = "key-name";
      if (note % 12 === 0) name.dataset.text = nameOf(note);
      const legend = document.createElement("span");
      legend.className = "key-legend";
      element.append(name, legend);
      this.#elements.set(note, element);
      (black ? blacks : whites).append(element);
    }
    this.#keys.replaceChildren(whites, blacks);
    this.#keys.setAttribute("aria-hidden", "true");
  }

  #fit() {
    this.#view = null;
    const pixels = this.#scroller.clientWidth;
    if (pixels === 0) return;
    const fine = matchMedia("(pointer: fine)").matches;
    if (!this.#chosen) this.#setZoom(this.#playable ? zoomFor(pixels, fine ? MOUSE_PX : FINGER_PX) : WHITES);
    if (pixels !== this.#pixels) {
      this.#pixels = pixels;
      this.#show(this.#middle - this.#zoom / 2, false);
    }
    this.#onView();
  }

  #scrolled() {
    this.#view = null;
    const { left, width } = this.view;
    if (this.#aim !== null && Math.abs(left - this.#aim) < 0.6) this.#aim = null;
    // Otherwise this scroll was caused by a new size, and not by the performer.
    if (this.#scroller.clientWidth === this.#pixels && width < WHITES - 1) this.#middle = left + width / 2;
    this.#onView();
  }

  /** @param {number} zoom white keys that are seen */
  #setZoom(zoom) {
    if (zoom === this.#zoom && this.#keys.style.width !== "") return;
    this.#zoom = zoom;
    this.#keys.style.width = `${(100 * WHITES) / zoom}%`;
    this.#keys.dataset.zoom = String(zoom);
    this.#view = null;
    this.#show(this.#middle - zoom / 2, false);
    this.#onView();
  }

  /** @param {number} left in white keys @param {boolean} smooth */
  #show(left, smooth) {
    const view = within({ left: Math.round(left), width: this.#zoom });
    this.#aim = smooth && Math.abs(view.left - this.view.left) > 0.1 ? view.left : null;
    const still = !smooth || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#scroller.scrollTo({
      left: (view.left / WHITES) * this.#keys.clientWidth,
      behavior: still ? "instant" : "smooth",
    });
    this.#view = null;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.#playable || (event.pointerType === "mouse" && event.button !== 0)) return;
    const key = this.#keyUnder(event);
    if (!key) return;
    if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
    this.#keys.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, key.note);
    this.#touch.down(sourceOf(event.pointerId), key.note, velocityAt(key.along), event.timeStamp);
  }

  /** Plays the keys that a sliding finger comes over. @param {PointerEvent} event */
  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) return;
    const key = this.#keyUnder(event);
    if (!key || key.note === before) return;
    const source = sourceOf(event.pointerId);
    this.#pointers.set(event.pointerId, key.note);
    this.#touch.up(source, before, event.timeStamp);
    this.#touch.down(source, key.note, velocityAt(key.along), event.timeStamp);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const note = this.#pointers.get(event.pointerId);
    if (note === undefined) return;
    this.#pointers.delete(event.pointerId);
    this.#touch.up(sourceOf(event.pointerId), note, event.timeStamp);
  }

  /** @param {PointerEvent} event */
  #keyUnder({ clientX, clientY }) {
    const box = this.#keys.getBoundingClientRect();
    return keyAt(((clientX - box.left) / box.width) * WHITES, (clientY - box.top) / box.height);
  }

  /** Lets the computer's keyboard alone play: arrows go from key to key, and Enter plays. @param {KeyboardEvent} event */
  #keyDown(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -12, ArrowUp: 12 }[event.key];
    if (by !== undefined && onKeyboard(this.#focused + by)) {
      event.preventDefault();
      this.#rove(this.#focused + by);
      this.#elements.get(this.#focused)?.focus();
    } else if (event.key === "Enter" && this.#playable && !event.repeat) {
      event.preventDefault();
      this.#touch.down("enter", this.#focused, KEY_VELOCITY, event.timeStamp);
      this.#entered = this.#focused;
    }
  }

  /** @type {number | null} */
  #entered = null;

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    if (event.key !== "Enter" || this.#entered === null) return;
    this.#touch.up("enter", this.#entered, event.timeStamp);
    this.#entered = null;
  }

  /** Makes one key the Tab key's only stop in the keyboard. @param {number} note */
  #rove(note) {
    this.#elements.get(this.#focused)?.removeAttribute("tabindex");
    this.#focused = note;
    if (this.#playable) this.#elements.get(note)?.setAttribute("tabindex", "0");
  }
}

/** @param {number} pointer */
const sourceOf = (pointer) => `pointer ${pointer}`;
