// @ts-check
/** The delay by hop, in each mode. */

import { speaker } from "./say.js";

export const STRIP = /** @type {const} */ ({
  "name.instrument": "Instrument",
  "name.encoder": "Encoder",
  "name.network": "Network",
  "name.buffer": "Buffer",
  "name.speaker": "Speaker",
  instrument: "Its sound comes in blocks, and a block has to fill.",
  "encoder.listen": "Opus packs the sound into frames, and looks a little ahead.",
  "encoder.exact": "None: the samples are sent as they are.",
  "encoder.light": "Opus packs the sound into short frames, and looks a little ahead.",
  "network.listen": "One way from the server to here: half of the round trip. A cable is quicker than Wi-Fi.",
  "network.studio": "From the server to here, and through the browser’s threads. A cable is quicker than Wi-Fi.",
  "buffer.listen": "The sound waits, so that late packets still fit in. An even network needs less of it.",
  "buffer.exact": "The ring: the sound waits, so that late blocks still fit in. “How much to bridge” sets it.",
  "buffer.light": "The ring: the sound waits, so that late packets still fit in. “How much to bridge” sets it.",
  speaker: "From the browser to the ear. Bluetooth takes 100 to 300 ms of it, a cable a tenth.",
  "way.listen": "Listen",
  "way.exact": "Studio, exact samples",
  "way.light": "Studio, compressed",
  "total.measured": "{way}: {ms} ms from the instrument to the ear, measured.",
  "total.estimated": "{way}: {ms} ms from the instrument to the ear, estimated from its parts.",
  "total.output": "This browser does not say what its output adds: 20 ms are assumed.",
  nothing: "While you listen, this shows how long the sound takes at each step of its way.",
});

export const say = speaker("strip", STRIP);
