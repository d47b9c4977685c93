// @ts-check
/**
 * Renders what lies in the ring, quantum by quantum: decides when to begin, how much to keep, how fast to play, and what to
 * do when nothing is there. The worklet is only a shell around it. Pure, and without allocation once it runs.
 *
 *            level ≥ target                      nothing left
 *   filling ────────────────► playing ─────────────────────────► filling (fades out; the target has grown)
 *                               │ nothing left, for a moment: the last frames once more (`outage.js`)
 *                               │ far above the target: cross-fade to it
 *                               │ off the target or clocks differ: up to 0.3 % faster or slower
 *                               └ else: every frame exactly as it came
 */

import { Bursts } from "./bursts.js";
import { Cursor } from "./cursor.js";
import { Drift } from "./drift.js";
import { Gauge, underWay } from "./gauge.js";
import { Histogram } from "./histogram.js";
import { Outage } from "./outage.js";
import { PLACES, placeOf } from "./safety.js";
import { Control, Figure } from "./slots.js";
import { Source } from "./source.js";
import { Target } from "./target.js";

/** @typedef {import("./ring.js").Ring} Ring */

/** The level is read and the rate controlled once in this time. */
const CONTROL_S = 0.25;
/** Margin of the first target, on top of what the bursts and the blocks need. */
const FIRST_MARGIN_MS = 3;
/** A level this far above the target is cut: soon after a start, later on, and (the last) without waiting for a reading. */
const BACKLOG_EARLY_MS = 4;
const BACKLOG_MS = 15;
const BACKLOG_AT_ONCE_MS = 100;
const EARLY_S = 2;
/** A cut leaves at least this at the lowest level seen. */
const LEAST_LEFT_MS = 1;
/** This many calls of the device are counted before the first start. */
const FIRST_BURSTS = 5;
/** The first target takes at most this much of the jitter that was measured before the first block. */
const MOST_FIRST_JITTER_MS = 40;
/** Percentiles of the level cover between one and two of these spans. */
const STATISTICS_S = 5;
/** So much of the last sound, heard once more, bridges an empty ring; then it dies away. */
const MOST_REPEATED_MS = 40;
const FILLING = 1;
const PLAYING = 2;

export class Renderer {
  #ring;
  #rate;
  #generation = 0;
  /** Rate of the stream in Hz; 0 until the first block. */
  #streamRate = 0;
  #source;
  #cursor;
  #target = new Target(44_100, 0);
  #drift = new Drift();
  #gauge = new Gauge();
  #bursts = new Bursts();
  #levels = new Histogram(0.25, 1_200);
  #phase = 0;
  /** Frames of the stream to each frame played, by the two nominal rates. */
  #nominal = 1;
  #rendered = 0;
  #startedAt = 0;
  /** Whether the ring fills after an underrun, and not for a start. */
  #interrupted = false;
  #outage;
  #aimed = false;
  /** Whether the first seconds after the start are over. */
  #calm = false;
  /** Sum and number of the levels before each quantum of the present burst. */
  #burstQuanta = 0;
  #burstLevel = 0;
  #sinceControl = 0;
  #sinceTurn = 0;
  #late = 0;
  /** Whose turn it is; see `Control.turn`. */
  #streams = 0;
  /** The level as last known, and as repeats have changed it. */
  #deep = 0;
  #underruns = 0;
  #trims = 0;

  /**
   * @param {Ring} ring
   * @param {number} rate of the audio context, Hz
   */
  constructor(ring, rate) {
    this.#ring = ring;
    this.#rate = rate;
    this.#source = new Source(ring);
    this.#cursor = new Cursor(this.#source);
    this.#outage = new Outage(ring, this.#source);
    ring.figures[Figure.ratio] = 1;
    ring.figures[Figure.playedMs] = NaN;
  }

  /** Position in the stream of the frame that is played next; it has a fraction while quanta are interpolated. */
  get position() {
    return this.#cursor.position;
  }

  /** Whether the last quantum consisted of the very frames that came, one for one. */
  exact = false;

  /**
   * Fills one quantum.
   *
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} nowMs any clock that goes on while nothing is rendered
   */
  render(left, right, nowMs) {
    const frames = left.length;
    this.#countBurst(nowMs);
    this.#follow();
    if (this.#phase === 0) {
      left.fill(0);
      right.fill(0);
      this.exact = false;
    } else {
      this.#play(left, right, frames, nowMs);
    }
    this.#rendered += frames;
    this.#ring.figures[Figure.aliveMs] = nowMs;
    this.#ring.figures[Figure.rendered] = this.#rendered;
  }

  /**
   * @param {Float32Array} left
   * @param {Float32Array} right
   * @param {number} frames
   * @param {number} nowMs
   */
  #play(left, right, frames, nowMs) {
    const newest = this.#ring.loadPosition(Control.newest, this.#source.position);
    if (this.#phase === FILLING) this.#fill(newest, frames);
    else this.#goOn(newest, frames);
    const cursor = this.#cursor;
    const { correction } = this.#drift;
    const step = cursor.stepOf(this.#nominal, correction, frames);
    const copying = cursor.copies(step);
    const before = newest - cursor.position;
    this.#supply(cursor.lacking(frames, step), newest);
    if (copying) cursor.copy(left, right, frames);
    else cursor.interpolate(left, right, frames, step, this.#nominal === 1 && correction === 0);
    this.exact = cursor.exact && this.#phase === PLAYING;
    this.#ring.storePosition(Control.reader, this.#source.position);
    if (this.#phase === PLAYING) this.#watch(before, newest - cursor.position, frames, nowMs);
  }

  /**
   * The level at which playing begins, so that its mean will be the target: the first quantum of a burst finds half a burst
   * more than the mean, and the last one half a burst less. After an underrun the quanta that this burst has already taken
   * are subtracted, so that the gap ends within the burst. At a start the whole burst is assumed, since nothing is interrupted.
   */
  #beginning() {
    const taken = this.#interrupted ? Math.min(this.#bursts.calls, this.#bursts.size) - 1 : 0;
    return Math.ceil(this.#target.frames + ((this.#bursts.size - 1) / 2 - taken) * 128 * this.#nominal);
  }

  /**
   * @param {number} newest
   * @param {number} frames of a quantum
   */
  #fill(newest, frames) {
    if (!this.#aimed) {
      if (this.#bursts.count < FIRST_BURSTS) return;
      this.#aim();
    }
    // The block whose absence caused the underrun has come: how late it was is known now.
    if (this.#outage.ends(newest, frames * this.#nominal)) this.#target.missed(this.#outage.lasted);
    const wanted = this.#beginning();
    if (newest - this.#source.position < wanted) return;
    this.#source.jump(newest - wanted);
    this.#phase = PLAYING;
    this.#startedAt = this.#rendered;
    this.#deep = this.#target.frames;
    this.#settle();
    this.#tell();
  }

  /**
   * Lets the source's line grow by `count` frames: from the ring as far as it has them, else by concealment.
   *
   * @param {number} count
   * @param {number} newest
   */
  #supply(count, newest) {
    if (count <= 0) return;
    if (this.#phase === FILLING) {
      this.#source.starve(count);
      return;
    }
    const { position } = this.#source;
    const covered = Math.max(newest, this.#ring.loadPosition(Control.covered, position));
    const there = Math.min(count, Math.max(0, covered - position));
    this.#source.take(there);
    const missing = count - there;
    if (missing === 0) return;
    if (!this.#outage.active) this.#underruns += 1;
    if (this.#outage.bridge(missing, this.#inFrames(MOST_REPEATED_MS))) this.#source.take(missing);
    else this.#starve(missing, newest);
  }

  /**
   * While the last frames are heard once more: as soon as a block has come, it is known how late it was.
   *
   * @param {number} newest
   * @param {number} frames of a quantum
   */
  #goOn(newest, frames) {
    const covered = Math.max(newest, this.#ring.loadPosition(Control.covered, newest));
    if (!this.#outage.ends(covered, frames * this.#nominal)) return;
    this.#target.missed(this.#outage.lasted, this.#deep);
    this.#deep += this.#outage.repeated;
    // The commotion of the start goes on until what is heard once more is over.
    if (!this.#calm) this.#startedAt = this.#rendered + this.#outage.repeated;
    this.#settle();
    this.#tell();
  }

  /**
   * @param {number} missing frames that this quantum lacks
   * @param {number} newest
   */
  #starve(missing, newest) {
    this.#source.starve(missing);
    this.#phase = FILLING;
    this.#interrupted = true;
    this.#outage.begin(newest, missing);
    this.#tell();
  }

  /**
   * Takes in what the quantum shows of the level.
   *
   * @param {number} before
   * @param {number} after
   * @param {number} frames
   * @param {number} nowMs
   */
  #watch(before, after, frames, nowMs) {
    this.#burstLevel += before;
    this.#burstQuanta += 1;
    const playedMs = this.#inMs(this.position - frames * this.#nominal) - nowMs;
    this.#gauge.observe(before + underWay(this.#ring, this.#streamRate, nowMs), after, playedMs);
    this.#target.observe(before, after);
    this.#hear();
    this.#sinceControl += frames;
    const excess = after - this.#target.frames;
    if (excess > this.#inFrames(BACKLOG_AT_ONCE_MS)) this.#trim(excess);
    else if (this.#sinceControl >= CONTROL_S * this.#rate) this.#control(nowMs);
  }

  #hear() {
    const [late, turn] = [this.#ring.load(Control.late), this.#ring.load(Control.turn)];
    if (late !== this.#late) this.#target.missed(this.#ring.load(Control.lateBy));
    // The level may be measured by the other one of two streams now.
    if (turn !== this.#streams) this.#settle();
    this.#late = late;
    this.#streams = turn;
  }

  /** @param {number} nowMs */
  #control(nowMs) {
    this.#choose();
    const gauge = this.#gauge;
    const elapsedS = this.#sinceControl / this.#rate;
    const reader = this.position - this.#rendered * this.#nominal;
    gauge.read(reader, this.#rendered / this.#rate, elapsedS, this.#streamRate, this.#drift.correction);
    this.#target.centre = this.#deep = gauge.level;
    this.#target.floor = this.#burstFrames() + this.#ring.load(Control.blockFrames) / 2;
    this.#ring.figures[Figure.playedMs] = gauge.playedMs;
    const early = this.#rendered - this.#startedAt < EARLY_S * this.#rate;
    // Nothing is cut while the network pauses, which may take what would be left.
    const pausing = underWay(this.#ring, this.#streamRate, nowMs) > this.#ring.load(Control.blockFrames);
    const calming = !early && !this.#calm && !pausing;
    if (calming) {
      this.#calm = true;
      this.#target.calm();
    }
    const excess = Math.min(gauge.level, gauge.mean) - this.#target.frames;
    const backlog = excess > this.#inFrames(early || calming ? BACKLOG_EARLY_MS : BACKLOG_MS);
    if (backlog && !pausing && gauge.low > this.#inFrames(LEAST_LEFT_MS) + excess) this.#trim(excess);
    else this.#drift.update((gauge.level - this.#target.frames) / this.#streamRate, elapsedS, gauge.clocks);
    this.#sinceControl = 0;
    gauge.begin();
    this.#sinceTurn += elapsedS;
    if (this.#sinceTurn >= STATISTICS_S) {
      this.#sinceTurn = 0;
      this.#levels.turn();
    }
    this.#tell();
  }

  /**
   * Jumps forward, over what lies in the ring beyond the target.
   *
   * @param {number} excess frames
   */
  #trim(excess) {
    this.#source.jump(this.#source.position + Math.round(excess));
    this.#trims += 1;
    this.#deep = this.#target.frames;
    this.#settle();
  }

  /** Begins all averages anew, since those from before a jump are of no use after it. */
  #settle() {
    this.#target.restart();
    this.#drift.jumped();
    this.#gauge.jumped();
    this.#sinceControl = 0;
    this.#burstLevel = this.#burstQuanta = 0;
  }

  /**
   * Notes the mean level of a call of the device when the next call begins.
   *
   * @param {number} nowMs
   */
  #countBurst(nowMs) {
    if (!this.#bursts.note(nowMs) || this.#burstQuanta === 0) return;
    this.#levels.add(this.#inMs(this.#burstLevel / this.#burstQuanta));
    this.#burstLevel = this.#burstQuanta = 0;
  }

  /** Takes up a stream when it begins, or begins anew. */
  #follow() {
    const generation = this.#ring.load(Control.generation);
    if (generation === this.#generation) return;
    this.#generation = generation;
    const rate = this.#ring.load(Control.rate);
    if (rate !== this.#streamRate) this.#retune(rate);
    this.#source.position = this.#ring.loadPosition(Control.start, this.#source.position);
    this.#ring.storePosition(Control.reader, this.#source.position);
    this.#ring.figures[Figure.playedMs] = NaN;
    this.#late = this.#ring.load(Control.late);
    this.#phase = FILLING;
    this.#interrupted = false;
    this.#gauge.clear();
    this.#outage.forget();
    this.#tell();
  }

  /** @param {number} rate of the stream, Hz */
  #retune(rate) {
    this.#streamRate = rate;
    this.#nominal = rate / this.#rate;
    this.#cursor.tune(Math.min(1, this.#rate / rate));
    this.#levels.clear();
    this.#drift = new Drift();
    this.#aimed = this.#calm = false;
  }

  /** Sets the first target, from what is known before any block was played: the bursts, the block's size, and how evenly silence arrived. */
  #aim() {
    this.#aimed = true;
    const jitterMs = Math.min(MOST_FIRST_JITTER_MS, this.#ring.figures[Figure.jitterMs] ?? 0);
    const spread = this.#burstFrames() + this.#ring.load(Control.blockFrames);
    this.#target = new Target(this.#streamRate, spread + this.#inFrames(FIRST_MARGIN_MS + jitterMs));
    this.#choose();
  }

  /** Frames by which the level falls from its mean to its lowest within a call of the device. */
  #burstFrames() {
    return ((this.#bursts.size + 1) / 2) * 128 * this.#nominal;
  }

  /** Follows the player's choice between tight and safe. */
  #choose() {
    this.#target.choose(placeOf(this.#ring.load(Control.place) - 1));
  }

  #tell() {
    const { figures } = this.#ring;
    const block = this.#ring.load(Control.blockFrames) || 128;
    figures[Figure.phase] = this.#phase;
    // Right after a start there is no reading yet; the level is the one that was aimed at.
    figures[Figure.levelMs] = this.#inMs(this.#gauge.level < 0 ? this.#target.frames : this.#gauge.level);
    figures[Figure.targetMs] = this.#inMs(this.#target.frames);
    figures[Figure.levelP5Ms] = this.#levels.percentile(0.05);
    figures[Figure.levelP95Ms] = this.#levels.percentile(0.95);
    figures[Figure.underruns] = this.#underruns;
    figures[Figure.lost] = Math.ceil(this.#source.lostFrames / block);
    figures[Figure.lostMs] = this.#inMs(this.#source.lostFrames);
    figures[Figure.concealedMs] = this.#inMs(this.#source.concealed);
    figures[Figure.longestGapMs] = this.#inMs(this.#source.longestGap);
    figures[Figure.driftPpm] = (this.#gauge.clocks || 0) * 1e6;
    figures[Figure.ratio] = 1 + this.#drift.correction;
    figures[Figure.burst] = this.#bursts.size;
    figures[Figure.trims] = this.#trims;
    figures[Figure.exact] = this.exact ? 1 : 0;
    figures[Figure.place] = this.#target.place;
    for (let place = 0; place < PLACES.length; place += 1) {
      figures[Figure.placeMs + place] = this.#inMs(this.#target.at(place));
      figures[Figure.placeGaps + place] = this.#target.gapsAt(place);
    }
  }

  /** @param {number} frames */
  #inMs(frames) {
    return (frames * 1000) / this.#streamRate;
  }

  /** @param {number} ms */
  #inFrames(ms) {
    return (ms * this.#streamRate) / 1000;
  }
}
