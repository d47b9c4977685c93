// @ts-check
/**
 * Carries the sound over a hole: the frames before it are continued by linear prediction (Burg's method: the
 * continuation of what rings, rings on, and always dies away), with noise as strong as what could not be predicted, faded out
 * where the hole is long, and cross-faded into the frames after it. An underrun ends in the same way, and so does the silence before the first frame. Nothing ever clicks.
 *
 * All memory is allocated at the start. One prediction takes about 100,000 multiplications a side: 0.1 to 0.2 ms.
 */

const ORDER = 32;
/** Frames that a prediction is made from. */
export const HISTORY = 512;
/** The continuation keeps its level for the first `KEPT` frames, and has faded to silence after `BRIDGED`. */
const KEPT = 192;
export const BRIDGED = 512;
/** Frames of the cross-fade into what follows. */
export const SEAM = 96;
/** Of the noise: any number but 0 (G. Marsaglia's xorshift). */
const SEED = 0x2545f491;

export class Bridge {
  #left = new Prediction();
  #right = new Prediction();
  #frame = 0;
  #seam = SEAM;

  /** Whether the continuation, or the cross-fade from it into real frames, is still going on. */
  get active() {
    return this.#seam < SEAM;
  }

  /**
   * Begins a bridge out of silence: the next real frames are faded in.
   */
  fromSilence() {
    this.#left.clear();
    this.#right.clear();
    this.#frame = 0;
    this.#seam = 0;
  }

  /**
   * @param {Float32Array} left the last `HISTORY` frames, a circle
   * @param {Float32Array} right
   * @param {number} end index after the newest of them, in the circle
   */
  begin(left, right, end) {
    this.#left.predict(left, end);
    this.#right.predict(right, end);
    this.#frame = 0;
    this.#seam = 0;
  }

  /** Goes on to the next frame; the caller does so once both sides were read. @param {boolean} real whether a frame was there */
  advance(real) {
    this.#frame += 1;
    this.#seam = real ? this.#seam + 1 : 0;
  }

  /**
   * @param {number} side 0 left, 1 right
   * @returns {number} the continuation, where there is no frame
   */
  alone(side) {
    if (this.#frame >= BRIDGED) return 0;
    const value = (side === 0 ? this.#left : this.#right).frames[this.#frame] ?? 0;
    if (this.#frame < KEPT) return value;
    return value * (0.5 + 0.5 * Math.cos((Math.PI * (this.#frame - KEPT)) / (BRIDGED - KEPT)));
  }

  /**
   * @param {number} side
   * @param {number} real the frame
   * @returns {number} on the way from the continuation to it
   */
  into(side, real) {
    const share = 0.5 - 0.5 * Math.cos((Math.PI * (this.#seam + 1)) / (SEAM + 1));
    return real * share + this.alone(side) * (1 - share);
  }
}

class Prediction {
  frames = new Float32Array(BRIDGED);
  #forward = new Float64Array(HISTORY);
  #backward = new Float64Array(HISTORY);
  #weights = new Float64Array(ORDER + 1);
  #before = new Float64Array(ORDER + 1);
  #line = new Float64Array(ORDER + BRIDGED);

  clear() {
    this.frames.fill(0);
  }

  /**
   * @param {Float32Array} circle
   * @param {number} end
   */
  predict(circle, end) {
    const mask = circle.length - 1;
    let peak = 0;
    for (let i = 0; i < HISTORY; i += 1) {
      const value = circle[(end - HISTORY + i) & mask] ?? 0;
      this.#forward[i] = this.#backward[i] = value;
      peak = Math.max(peak, Math.abs(value));
    }
    if (peak === 0) {
      this.clear();
      return;
    }
    for (let i = 0; i < ORDER; i += 1) this.#line[i] = circle[(end - ORDER + i) & mask] ?? 0;
    this.#burg();
    this.#continue(this.#unpredicted(), 1.5 * peak);
  }

  /** J. P. Burg's recursion: reflection coefficients below 1 from both errors, so the filter cannot grow. */
  #burg() {
    const forward = this.#forward;
    const backward = this.#backward;
    const weights = this.#weights;
    const before = this.#before;
    weights.fill(0);
    weights[0] = 1;
    for (let m = 1; m <= ORDER; m += 1) {
      let across = 0;
      let power = 0;
      for (let i = m; i < HISTORY; i += 1) {
        const f = forward[i] ?? 0;
        const b = backward[i - 1] ?? 0;
        across += f * b;
        power += f * f + b * b;
      }
      // A pure tone is predicted without an error: any power left is rounding, which must not be divided by.
      if (power < 1e-20) break;
      const k = (-2 * across) / (power * (1 + 1e-9));
      before.set(weights);
      for (let i = 1; i <= m; i += 1) weights[i] = (before[i] ?? 0) + k * (before[m - i] ?? 0);
      for (let i = HISTORY - 1; i >= m; i -= 1) {
        const f = forward[i] ?? 0;
        const b = backward[i - 1] ?? 0;
        forward[i] = f + k * b;
        backward[i] = b + k * f;
      }
    }
  }

  /** Root mean square of the errors of the prediction; that of the quieter half of the history, since an attack is over. */
  #unpredicted() {
    const middle = (ORDER + HISTORY) >> 1;
    let earlier = 0;
    let later = 0;
    for (let i = ORDER; i < HISTORY; i += 1) {
      const error = this.#forward[i] ?? 0;
      if (i < middle) earlier += error * error;
      else later += error * error;
    }
    return Math.sqrt(Math.min(earlier, later) / (HISTORY - middle));
  }

  /**
   * @param {number} strength of the noise, a root mean square
   * @param {number} most what it stays within, even after a swell
   */
  #continue(strength, most) {
    const line = this.#line;
    // An even distribution from −1 to 1 has a root mean square of 1/√3. Both sides have the same noise, so that one in the middle stays there.
    const scale = (Math.sqrt(3) * strength) / 2 ** 31;
    let noise = SEED;
    for (let n = ORDER; n < line.length; n += 1) {
      noise ^= noise << 13;
      noise ^= noise >>> 17;
      noise ^= noise << 5;
      let value = noise * scale;
      for (let i = 1; i <= ORDER; i += 1) value -= (this.#weights[i] ?? 0) * (line[n - i] ?? 0);
      line[n] = value;
      this.frames[n - ORDER] = Math.max(-most, Math.min(most, value));
    }
  }
}
