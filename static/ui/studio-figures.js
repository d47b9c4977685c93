// @ts-check
/**
 * How Studio's ring does, while Studio plays: its controls in `#studio`, its figures in `#studio-numbers`. It builds its own elements there.
 *
 * For tests and tools these names are stable: #studio-pin (the quality that a performer holds: automatic, exact, light),
 * #studio-latency, -latency-how, -output, -level, -target, -underruns, -lost, -ratio, -exact, -format, -traffic. Each has a
 * data-testid of the same name; data-quality of #studio is what is heard.
 */

import { byId, setText } from "./dom.js";
import { count, milliseconds } from "./format.js";
import { StudioPlot } from "./studio-plot.js";
import { LIMITS_LINE, PINS, exactness, formatLine, lightLine, outputWarning, trafficLine } from "./studio-words.js";

/** @typedef {import("../studio/studio.js").StudioStats} StudioStats */
/** @typedef {import("../studio/quality.js").Pin} Pin */

const CHOICES = PINS.map(([value, text]) => `<option value="${value}">${text}</option>`).join("");
const HEAD = `
    <h2 id="studio-title">Studio</h2>
    <p id="studio-pin-row" class="studio-pin" hidden><label for="studio-pin">Samples</label>
      <select id="studio-pin">${CHOICES}</select></p>
    <p id="studio-warning" class="studio-warning" hidden></p>
    <div id="studio-place"></div>
    <p class="studio-limits">${LIMITS_LINE}</p>`;
const NUMBERS = `
    <figure class="plot">
      <figcaption>
        <span class="key key-buffer">Ring, ms</span>
        <span class="key key-target">Target</span>
        <span class="key key-gap">Missing</span>
        <span class="plot-span">last half minute</span>
      </figcaption>
      <canvas id="studio-plot" role="img" aria-label="Level of the ring and its target over the last half minute"></canvas>
    </figure>
    <dl class="grid">
      <div><dt>To the browser</dt><dd><b id="studio-latency">–</b> ms</dd><dd class="sub" id="studio-latency-how"></dd></div>
      <div><dt>Output adds</dt><dd><b id="studio-output">–</b> ms</dd><dd class="sub" id="studio-output-how"></dd></div>
      <div><dt>In the ring</dt><dd><b id="studio-level">–</b> ms</dd><dd class="sub">aims at <span id="studio-target">–</span> ms</dd>
        <dd class="means">Sound that waits to be played, so that late packets still fit in.</dd></div>
      <div><dt>Underruns</dt><dd><b id="studio-underruns">–</b></dd><dd class="sub"><span id="studio-lost">–</span></dd>
        <dd class="means">Times that the ring ran empty, which can be heard.</dd></div>
      <div><dt>Bit-exact</dt><dd><b id="studio-exact">–</b></dd><dd class="sub" id="studio-ratio"></dd>
        <dd class="means">Whether each sample is the one that the instrument gave.</dd></div>
      <div><dt>Samples</dt><dd><b id="studio-format" class="words">–</b></dd><dd class="sub" id="studio-traffic"></dd></div>
    </dl>`;

export class StudioFigures {
  #section = byId("studio", HTMLElement);
  #numbers = byId("studio-numbers", HTMLElement);
  #plot;
  #pin;
  #plays;
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  #drawnMs = 0;

  /** @param {{plays: () => boolean, pinned: (pin: Pin) => void}} performer whether this page performs, and what it holds from now on */
  constructor({ plays, pinned }) {
    this.#plays = plays;
    this.#section.innerHTML = HEAD;
    this.#numbers.innerHTML = NUMBERS;
    for (const element of [...this.#section.querySelectorAll("[id]"), ...this.#numbers.querySelectorAll("[id]")]) {
      if (element instanceof HTMLElement) element.dataset.testid = element.id;
    }
    this.#pin = byId("studio-pin", HTMLSelectElement);
    this.#pin.addEventListener("change", () => pinned(/** @type {Pin} */ (this.#pin.value)));
    this.#plot = new StudioPlot(byId("studio-plot", HTMLCanvasElement));
  }

  /** @param {import("./studio-panel.js").Studio} studio */
  show({ sounding, stats, choice, pinned }) {
    if (choice) this.#section.dataset.quality = choice.stage === "exact" ? "exact" : "light";
    this.#at("studio-pin-row").hidden = !(this.#plays() && stats !== null && stats.format.light !== null);
    if (this.#pin.value !== pinned) this.#pin.value = pinned;
    this.#numbers.hidden = !(sounding && stats);
    if (sounding && stats) this.#figures(stats);
    else this.#plot.clear();
  }

  /** @param {StudioStats} stats */
  #figures(stats) {
    const { ring, format } = stats;
    this.#plot.add(stats);
    // The plot takes all ten readings a second, the written figures only two: nobody reads more.
    if (stats.atMs - this.#drawnMs < 450) return;
    this.#drawnMs = stats.atMs;
    const light = this.#section.dataset.quality === "light" ? format.light : null;
    const { exact, why } = light ? { exact: false, why: "compressed" } : exactness(format, ring, stats.untouched);
    const warning = outputWarning(stats.outputMs);
    setText(this.#at("studio-latency"), milliseconds(stats.browserMs));
    setText(this.#at("studio-latency-how"), stats.measured ? "from the instrument, measured" : "estimated: ring and network");
    setText(this.#at("studio-output"), milliseconds(stats.outputMs));
    const says = stats.outputMs === null ? "this browser does not say" : "says the browser";
    setText(this.#at("studio-output-how"), says);
    setText(this.#at("studio-level"), milliseconds(ring.levelMs));
    setText(this.#at("studio-target"), milliseconds(ring.targetMs));
    setText(this.#at("studio-underruns"), count(ring.underruns));
    setText(this.#at("studio-lost"), `${count(ring.lost)} blocks lost, ${count(ring.repaired)} repaired`);
    setText(this.#at("studio-exact"), exact ? "Yes" : "No");
    setText(this.#at("studio-ratio"), why);
    setText(this.#at("studio-format"), light ? lightLine(light) : formatLine(format));
    setText(this.#at("studio-traffic"), trafficLine(format, light, stats.path));
    setText(this.#at("studio-warning"), warning);
    this.#at("studio-warning").hidden = warning === "";
  }

  /** @param {string} id */
  #at(id) {
    let element = this.#elements.get(id);
    if (!element) this.#elements.set(id, (element = byId(id, HTMLElement)));
    return element;
  }
}
