// @ts-check
/** What a refusal of the server means, and what whoever sees it can do. Pure. */

import { say } from "../words/room.js";
import { saidOr } from "../words/say.js";

/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {{headline: string, detail: string}} Told */

/** Refusals that are asked again by themselves, by the server's word for them. */
const WAITS = /** @type {const} */ (["full", "busy", "too_often", "starting"]);
/** What the server's door says, by its word for it. */
const DOORS = /** @type {const} */ (["no_token", "bad_token", "wrong_network", "removed", "bad_password"]);

/**
 * @param {Problem | null} problem
 * @returns {string | null} the headline while the page waits to ask again; null where the connection is what is missing
 */
export function waitHeadline(problem) {
  const why = WAITS.find((one) => one === problem?.why);
  return why ? say(`wait.${why}`) : null;
}

/**
 * @param {Problem | null} problem
 * @param {boolean} [owner] whether whoever reads it can mend the server
 * @returns {string} a sentence or two: what happened, and what happens next
 */
export function waitDetail(problem, owner = false) {
  const message = (owner && problem?.todo) || (problem?.message ?? "");
  return problem?.why === "full" ? `${message} ${say("wait.place")}` : message;
}

/**
 * @param {Problem | null} problem
 * @param {number} seconds until the next attempt
 * @returns {string} "in 9 s", to be put behind the headline
 */
export const countdown = (problem, seconds) => say(waitHeadline(problem) === null ? "countdown" : "countdown.asks", { n: seconds });

/**
 * @param {string} why the server's word
 * @param {string} said its sentence, or ""
 * @returns {Told}
 */
export function doorWords(why, said) {
  const door = DOORS.find((one) => one === why);
  const headline = say(door ? `door.${door}` : "door");
  const todo = say(door ? `door.${door}.do` : "door.do");
  // Where the page has words for it in its own language, the server's English ones are not shown.
  if (door && door !== "removed") said = saidOr(said, "");
  // What the server says may end with what to do.
  const asks = /\bask\b/i.test(said);
  return { headline, detail: asks ? said : `${said} ${todo}`.trim() };
}

/**
 * @param {string} said by the server
 * @param {boolean} listens whether the sound can be heard all the same
 * @returns {string} what is said of a performer's link that does not let its holder play
 */
export function oldLink(said, listens) {
  const { detail } = doorWords("bad_token", said);
  return listens ? say("door.listens", { detail }) : detail;
}
