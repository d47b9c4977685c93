// @ts-check
/** The places between tight and safe, for the page. */

export { BALANCED, PLACES, placeOf } from "./engine/safety.js";
