// @ts-check
/** The controls of what a listener sets for this device alone: loaded when their drawer is opened, not before. */

export { OwnDelayControl } from "../ui/own-delay.js";
export { OwnOutputControl } from "../ui/own-output.js";
