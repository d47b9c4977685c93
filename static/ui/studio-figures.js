// @ts-check
/**
 * How Studio's ring does, while Studio plays: its controls in `#studio`, its figures in `#studio-numbers`. It builds its own elements there.
 *
 * For tests and tools these names are stable: #studio-pin (the quality that a performer holds: automatic, exact, light),
 * #studio-latency, -latency-how, -output, -level, -target, -underruns, -lost, -ratio, -exact, -format, -traffic. Each has a
 * data-testid of the same name; data-quality of #studio is what is heard.
 */

import { byId, setText } from "./dom.js";
import { count, milliseconds, percent } from "./format.js";
import { StudioPlot } from "./studio-plot.js";
import { PINS, exactness, formatLine, lightLine, outputWarning, trafficLine } from "./studio-words.js";
import { MOST_LOST, MOST_TARGET_MS, OVER_MS } from "../studio/limits.js";
import { say as sayStudio } from "../words/studio.js";
import { say } from "../words/studio-live.js";

/** @typedef {import("../studio/studio.js").StudioStats} StudioStats */
/** @typedef {import("../studio/quality.js").Pin} Pin */

/** Names the limits beyond which Studio is left, for people who want to know. @returns {string} */
const limitsLine = () => say("limits", { percent: percent(MOST_LOST * 100), seconds: OVER_MS / 1000, ms: MOST_TARGET_MS });

const CHOICES = PINS.map((value) => `<option value="${value}">${sayStudio(`pin.${value}`)}</option>`).join("");
const HEAD = `
    <h2 id="studio-title">Studio</h2>
    <p id="studio-pin-row" class="studio-pin" hidden><label for="studio-pin">${say("pin")}</label>
      <select id="studio-pin">${CHOICES}</select></p>
    <p id="studio-warning" class="studio-warning" hidden></p>
    <div id="studio-place"></div>
    <p class="studio-limits">${limitsLine()}</p>`;
const NUMBERS = `
    <figure class="plot">
      <figcaption>
        <span class="key key-buffer">${say("ring")}</span>
        <span class="key key-target">${say("target")}</span>
        <span class="key key-gap">${say("missing")}</span>
        <span class="plot-span">${say("span")}</span>
      </figcaption>
      <canvas id="studio-plot" role="img" aria-label="${say("plot")}"></canvas>
    </figure>
    <dl class="grid">
      <div><dt>${say("browser")}</dt><dd><b id="studio-latency">–</b> ms</dd><dd class="sub" id="studio-latency-how"></dd></div>
      <div><dt>${say("output")}</dt><dd><b id="studio-output">–</b> ms</dd><dd class="sub" id="studio-output-how"></dd></div>
      <div><dt>${say("level")}</dt><dd><b id="studio-level">–</b> ms</dd><dd class="sub">${say("aims")} <span id="studio-target">–</span> ms</dd>
        <dd class="means">${say("level.means")}</dd></div>
      <div><dt>${say("underruns")}</dt><dd><b id="studio-underruns">–</b></dd><dd class="sub"><span id="studio-lost">–</span></dd>
        <dd class="means">${say("underruns.means")}</dd></div>
      <div><dt>${say("exact")}</dt><dd><b id="studio-exact">–</b></dd><dd class="sub" id="studio-ratio"></dd>
        <dd class="means">${say("exact.means")}</dd></div>
      <div><dt>${say("samples")}</dt><dd><b id="studio-format" class="words">–</b></dd><dd class="sub" id="studio-traffic"></dd></div>
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
    const { exact, why } = light ? { exact: false, why: say("compressed") } : exactness(format, ring, stats.untouched);
    const warning = outputWarning(stats.outputMs);
    setText(this.#at("studio-latency"), milliseconds(stats.browserMs));
    setText(this.#at("studio-latency-how"), say(stats.measured ? "measured" : "estimated"));
    setText(this.#at("studio-output"), milliseconds(stats.outputMs));
    const says = say(stats.outputMs === null ? "output.unknown" : "output.said");
    setText(this.#at("studio-output-how"), says);
    setText(this.#at("studio-level"), milliseconds(ring.levelMs));
    setText(this.#at("studio-target"), milliseconds(ring.targetMs));
    setText(this.#at("studio-underruns"), count(ring.underruns));
    setText(this.#at("studio-lost"), say("blocks", { lost: ring.lost, repaired: ring.repaired }));
    setText(this.#at("studio-exact"), say(exact ? "yes" : "no"));
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
