// @ts-check
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const scope = /** @type {any} */ (globalThis);
/** @type {((nowMs: number) => void)[]} */
let asked = [];
/** @type {{call: () => void, atMs: number}[]} */
let timers = [];
/** @type {() => void} */
let changed = () => {};
/** @type {((entries: {isIntersecting: boolean}[]) => void)[]} */
let observers = [];
/** @type {unknown[]} */
let reported = [];
let nowMs = 0;

scope.document = { hidden: false, addEventListener: (/** @type {string} */ _, /** @type {() => void} */ listener) => (changed = listener) };
scope.requestAnimationFrame = (/** @type {any} */ draw) => asked.push(draw);
scope.reportError = (/** @type {unknown} */ error) => reported.push(error);
scope.setTimeout = (/** @type {any} */ call, /** @type {number} */ ms) => timers.push({ call, atMs: nowMs + ms });
scope.clearTimeout = () => (timers = []);
performance.now = () => nowMs;
scope.IntersectionObserver = class {
  /** @param {any} told */
  constructor(told) {
    observers.push(told);
  }
  observe() {}
  disconnect() {}
};

const { Drawing, frames } = await import("../../../static/ui/frames.js");

const element = /** @type {any} */ ({});

/** The screen shows one frame: timers that are due by then, then what asked for the frame. */
function frame() {
  nowMs += 1000 / 60;
  const due = timers.filter(({ atMs }) => atMs <= nowMs);
  timers = timers.filter(({ atMs }) => atMs > nowMs);
  for (const { call } of due) call();
  for (const draw of asked.splice(0)) draw(nowMs);
}

beforeEach(() => {
  scope.document.hidden = false;
  nowMs += 1_000;
  frame();
  frame();
  frame();
  asked = [];
  timers = [];
  observers = [];
  reported = [];
});

test("what moves all the time is drawn in every third frame of 60 a second", () => {
  let drawn = 0;
  const draw = () => {
    drawn += 1;
    if (drawn < 1_000) frames.request(draw);
  };
  frames.request(draw);
  for (let count = 0; count < 60; count += 1) frame();
  assert.ok(drawn >= 19 && drawn <= 21, `${drawn}`);
  frames.cancel(draw);
});

test("what is asked for twice is drawn once, and all in one frame", () => {
  /** @type {string[]} */
  const drawn = [];
  const one = () => drawn.push("one");
  frames.request(one);
  frames.request(one);
  frames.request(() => drawn.push("two"));
  frame();
  assert.deepEqual(drawn, ["one", "two"]);
  assert.equal(asked.length, 0);
});

test("what is asked for while drawing comes in the same frame, unless it asks for itself", () => {
  /** @type {string[]} */
  const drawn = [];
  const picture = () => drawn.push("picture");
  const again = () => {
    drawn.push("again");
    frames.request(picture);
    frames.request(again);
  };
  frames.request(again);
  frame();
  assert.deepEqual(drawn, ["again", "picture"]);
  frames.cancel(again);
});

test("what hurries brings a frame before its time, in which all is drawn", () => {
  let drawn = 0;
  const draw = () => {
    drawn += 1;
    frames.request(draw);
  };
  frames.hurry();
  assert.equal(asked.length, 0, "nothing waits");
  frames.request(draw);
  frame();
  frames.hurry();
  frame();
  assert.equal(drawn, 2);
  frame();
  frame();
  assert.equal(drawn, 2, "the pause begins anew");
  frame();
  assert.equal(drawn, 3);
  frames.cancel(draw);
});

test("a hidden page asks for no frame and draws in none; it goes on when it is seen", () => {
  let drawn = 0;
  const draw = () => {
    drawn += 1;
    frames.request(draw);
  };
  frames.request(draw);
  frame();
  assert.equal(drawn, 1);
  scope.document.hidden = true;
  changed();
  for (let count = 0; count < 20; count += 1) frame();
  frames.request(draw);
  assert.deepEqual([drawn, asked.length, timers.length], [1, 0, 0]);
  scope.document.hidden = false;
  changed();
  frame();
  assert.equal(drawn, 2);
  frames.cancel(draw);
});

test("a picture out of view is drawn when it comes into view, once", () => {
  let drawn = 0;
  const drawing = new Drawing(element, () => (drawn += 1));
  const [seen] = observers;
  assert.ok(seen);
  seen([{ isIntersecting: false }]);
  drawing.request();
  drawing.request();
  frame();
  frame();
  assert.equal(drawn, 0);
  seen([{ isIntersecting: true }]);
  frame();
  frame();
  assert.equal(drawn, 1);
  seen([{ isIntersecting: true }]);
  frame();
  frame();
  assert.equal(drawn, 1);
  drawing.close();
});

test("a picture that goes out of view while it waits is not drawn", () => {
  let drawn = 0;
  const drawing = new Drawing(element, () => (drawn += 1));
  drawing.request();
  observers[0]?.([{ isIntersecting: false }]);
  frame();
  assert.equal(drawn, 0);
  drawing.close();
  observers[0]?.([{ isIntersecting: true }]);
  frame();
  assert.equal(drawn, 0);
});

test("one that fails takes no other with it", () => {
  let drawn = 0;
  frames.request(() => {
    throw new Error("no");
  });
  frames.request(() => (drawn += 1));
  frame();
  assert.equal(drawn, 1);
  assert.equal(reported.length, 1);
});
