// @ts-check
/** What Studio needs of the browser. */

import { speaker } from "./say.js";

export const STUDIO_PARTS = /** @type {const} */ ({
  insecure: "Studio needs a secure page, and {origin} is none. Ask whoever runs this server for its https address.",
  "insecure.todo": "Studio needs a secure page, and {origin} is none. Open the page by https: start the server with “--tls auto”, or open it as “localhost” on the server’s own machine.",
  old: "This browser is too old for Studio. A current Chrome, Edge, Firefox or Safari has what it needs.",
  no_answer: "The server did not answer the wish for Studio.",
  no_frames: "This browser hands no frames to the page, so Studio cannot begin.",
  no_samples: "The instrument’s samples do not arrive.",
  restarted: "The server has been started again.",
  player: "The player of the samples has failed.",
  unable: "This browser cannot play Studio: {why}.",
  worker: "The worker that receives the samples has failed.",
  lost: "The Studio connection was lost.",
  undecoded: "This browser cannot decode Studio’s sound: {why}",
  refused: "The server refused to send samples.",
  "limit.loss": "This network loses too much for Studio.",
  "limit.uneven": "This network delivers too unevenly for Studio.",
  "limit.silent": "The instrument’s samples stopped arriving.",
  "limit.busy": "This computer is too busy to play Studio evenly. Close other programs and pages, then try it again.",
});

export const say = speaker("studio-parts", STUDIO_PARTS);
