// @ts-check
/**
 * When the page draws. All that moves is drawn in the same frames of the screen, at most 20 a second: each of them costs the browser
 * style, layout and a new picture, however little has changed. Nothing is drawn while the page is hidden, or out of view.
 */

/**
 * From one frame to the request for the next: a little less than three of a display with 60 a second, so that every third one is
 * drawn in. A browser whose screen rests may give a frame at once.
 */
const PAUSE_MS = 47;
/** What is nearly in view is drawn, too, so that scrolling shows no old picture. */
const NEARLY = "200px";

/** @typedef {(nowMs: number) => void} Draw */

class Frames {
  /** @type {Set<Draw>} */
  #waiting = new Set();
  #pending = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} of the pause before the next frame */
  #pause;
  #lastMs = -Infinity;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#wait());
  }

  /** Calls once, in the next frame that is drawn in. @param {Draw} draw */
  request(draw) {
    this.#waiting.add(draw);
    this.#wait();
  }

  /** @param {Draw} draw */
  cancel(draw) {
    this.#waiting.delete(draw);
  }

  /** Draws what waits in the screen's next frame, whatever the pace: something has to be seen now. */
  hurry() {
    if (this.#pause === undefined || document.hidden) return;
    clearTimeout(this.#pause);
    this.#ask();
  }

  #wait() {
    if (this.#pending || this.#waiting.size === 0 || document.hidden) return;
    this.#pending = true;
    const pauseMs = this.#lastMs + PAUSE_MS - performance.now();
    if (pauseMs > 0) this.#pause = setTimeout(this.#ask, pauseMs);
    else this.#ask();
  }

  #ask = () => {
    this.#pause = undefined;
    requestAnimationFrame(this.#draw);
  };

  /** @param {number} nowMs */
  #draw = (nowMs) => {
    this.#pending = false;
    if (document.hidden) return;
    this.#lastMs = nowMs;
    const first = new Set(this.#waiting);
    this.#run(first, nowMs);
    // What those have asked for is drawn in the same frame, unless it is one of them.
    this.#run(new Set([...this.#waiting].filter((draw) => !first.has(draw))), nowMs);
    this.#wait();
  };

  /** @param {Set<Draw>} due @param {number} nowMs */
  #run(due, nowMs) {
    for (const draw of due) {
      this.#waiting.delete(draw);
      try {
        draw(nowMs);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** The page's one. */
export const frames = new Frames();

/** One picture. */
export class Drawing {
  #draw;
  #view;
  #seen = true;
  #wanted = false;

  /**
   * @param {Element} element whose place says whether it can be seen
   * @param {Draw} draw
   */
  constructor(element, draw) {
    this.#draw = draw;
    this.#view = new IntersectionObserver(
      (entries) => {
        this.#seen = entries.at(-1)?.isIntersecting ?? true;
        if (this.#seen && this.#wanted) frames.request(this.#turn);
      },
      { rootMargin: NEARLY },
    );
    this.#view.observe(element);
  }

  /** Draws in the next frame, or once it can be seen. */
  request() {
    this.#wanted = true;
    if (this.#seen) frames.request(this.#turn);
  }

  close() {
    this.#view.disconnect();
    this.#wanted = false;
    frames.cancel(this.#turn);
  }

  /** @param {number} nowMs */
  #turn = (nowMs) => {
    if (!this.#seen) return;
    this.#wanted = false;
    this.#draw(nowMs);
  };
}
