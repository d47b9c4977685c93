// @ts-check
/** Decodes Opus packets one after the other. */

/**
 * @param {number} [channels]
 * @param {number} [sampleRate]
 * @param {"wasm" | "webcodecs"} [_prefer]
 */
export async function opusDecoder(channels = 2, sampleRate = 48_000, _prefer = "webcodecs") {
  /** @type {((planes: Float32Array[], frames: number) => void)[]} */
  const waiting = [];
  const planes = [new Float32Array(5_760), new Float32Array(5_760)];
  let toc = 0xfc;
  const made = {
    name: "webcodecs",
    errors: 0,
    /** @param {Uint8Array} payload @param {(planes: Float32Array[], frames: number) => void} done */
    decode(payload, done) {
      toc = payload[0] ?? toc;
      waiting.push(done);
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: 0, data: payload }));
    },
    /** @param {number} _frames @param {(planes: Float32Array[], frames: number) => void} done */
    conceal(_frames, done) {
      made.decode(Uint8Array.of(toc & 0xfc), done);
    },
    close() {
      decoder.close();
    },
  };
  const decoder = new AudioDecoder({
    output(data) {
      planes.forEach((plane, planeIndex) => data.copyTo(plane.subarray(0, data.numberOfFrames), { planeIndex, format: "f32-planar" }));
      const frames = data.numberOfFrames;
      data.close();
      waiting.shift()?.(planes, frames);
    },
    error: () => {
      made.errors += 1;
    },
  });
  decoder.configure({ codec: "opus", numberOfChannels: channels, sampleRate });
  return made;
}
