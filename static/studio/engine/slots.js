// @ts-check
/**
 * What the worker, the worklet and the page tell one another, by number of the slot in the ring's memory.
 *
 * `Control` slots are 32-bit integers that are read and written atomically: positions and counters. `Figure` slots
 * are 64-bit floats, for people and for decisions that can wait: a value read while it is written would do no harm.
 *
 * A *position* counts the stream's frames since the first one that arrived. In control slots it is modulo 2^30.
 */

export const POSITION_MODULUS = 2 ** 30;

/** @enum {number} */
export const Control = Object.freeze({
  /** Position after the newest frame, by which the level is measured; where two streams come, that of one of them. */
  newest: 0,
  /** Raised when the stream begins anew: a new epoch or rate. 0: nothing has come yet. */
  generation: 1,
  /** Position of the first frame of this generation; written before `generation`. */
  start: 2,
  /** Hz; written before `generation`. */
  rate: 3,
  /** Position that the reader takes next. */
  reader: 4,
  /** Studio payloads received, whatever they carried. */
  payloads: 5,
  /** Payloads that are neither Opus nor a valid block. */
  invalid: 6,
  /** Frames that carry no PCM: the silence before the start. */
  silence: 7,
  /** Blocks that came in time, but only by a repeat, by a resend, or after a newer block. */
  repaired: 8,
  /** Payloads that brought nothing new, without being marked as repeats. */
  duplicates: 9,
  /** Blocks that came after their time. */
  late: 10,
  /** By how many frames the last late block came too late. */
  lateBy: 11,
  /** Frames in the last block. */
  blockFrames: 12,
  /** Bits a sample; 0: compressed (Studio light). */
  bits: 13,
  /** Frames of Studio light that the decoder made up. */
  concealed: 14,
  /** Packets of Studio light that did not come by themselves. */
  missed: 15,
  /** What the player has chosen between tight and safe: an index of `PLACES`, plus one; 0 while nothing is chosen. The page writes it. */
  place: 16,
  /** Position after the newest frame that may be played: beyond `newest` where the other one of two streams has come further. */
  covered: 17,
  /** Which of two streams is heard: its number among `TURNS` (splice.js). */
  turn: 18,
  /** Frames of the samples that came beside light, while that was heard or filled their gaps. */
  besideCame: 19,
  /** Position after the newest of them. */
  besideEnd: 20,
});

/** @enum {number} */
export const Figure = Object.freeze({
  /** Device frame number = position + this. */
  frameOffset: 0,
  /** RTP timestamp of position 0 in this generation, modulo 2^32; NaN when not known. */
  rtpAtZero: 1,
  epoch: 2,
  /** How much later than the quickest of the last seconds blocks arrive, in ms: the 95th percentile. */
  jitterMs: 3,
  /** When the newest block came, by the wall clock (which the worklet has, too), in ms since 1970; NaN while not known. */
  newestMs: 21,
  // The worklet writes the slots from here on, the worker those before.
  /** 0 nothing yet, 1 filling, 2 playing. */
  phase: 4,
  /** Position that leaves the worklet, in ms, minus the wall clock, in ms; a mean over the bursts. NaN while nothing plays. */
  playedMs: 5,
  levelMs: 6,
  targetMs: 7,
  levelP5Ms: 8,
  levelP95Ms: 9,
  underruns: 10,
  /** Blocks that had not come when they were due, and were concealed. */
  lost: 11,
  /** The longest gap without real samples, in ms. */
  longestGapMs: 12,
  driftPpm: 13,
  /** Frames of the stream taken for each frame played, over their nominal ratio; exactly 1 is bit-exact copying. */
  ratio: 14,
  /** Quanta per call of the device. */
  burst: 15,
  /** Frames played by the context since the start. */
  rendered: 16,
  /** Times the backlog was cut. */
  trims: 17,
  /** Wall clock of the worklet's last sign of life, ms since 1970. */
  aliveMs: 18,
  /** 1 while the samples that are handed on are the very ones that came. */
  exact: 19,
  /** Frames concealed, in ms since the start. */
  concealedMs: 20,
  // Written by the worker.
  /** What the decoder of Studio light made up, in ms since the start. */
  madeUpMs: 22,
  /** The longest run of that, in ms. */
  longestMadeUpMs: 23,
  /** `jitterMs` of the samples, whether they are heard or not. */
  exactJitterMs: 25,
  // And the worklet again.
  /** The place between tight and safe that the target follows, an index of `PLACES`. */
  place: 24,
  /** Of each place: the target that it has by what is known now, in ms (`PLACES.length` slots). */
  placeMs: 26,
  /** Of each place: gaps a minute that this target would have had in the last minutes (`PLACES.length` slots). */
  placeGaps: 32,
  /** Frames that had not come when they were due, while later ones had, in ms since the start. */
  lostMs: 38,
});

export const CONTROLS = 24;
export const FIGURES = 40;
