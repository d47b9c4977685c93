// @ts-check
/** What a refusal of the server means, and what whoever sees it can do. Pure. */

/** @typedef {import("../connection/problems.js").Problem} Problem */
/** @typedef {{headline: string, detail: string}} Told */

/** What is said of each refusal that is asked again by itself, by the server's word for it. @type {Readonly<Record<string, string>>} */
const WAITS = Object.freeze({
  full: "The room is full",
  busy: "Many are joining at this moment",
  too_often: "Too many attempts",
  starting: "The sound is starting",
});

const FREE_PLACE = "You hear it as soon as somebody leaves: this page keeps asking, and you need not do anything.";

/**
 * @param {Problem | null} problem
 * @returns {string | null} the headline while the page waits to ask again; null where the connection is what is missing
 */
export const waitHeadline = (problem) => WAITS[problem?.why ?? ""] ?? null;

/**
 * @param {Problem | null} problem
 * @param {boolean} [owner] whether whoever reads it can mend the server
 * @returns {string} a sentence or two: what happened, and what happens next
 */
export function waitDetail(problem, owner = false) {
  const message = (owner && problem?.todo) || (problem?.message ?? "");
  return problem?.why === "full" ? `${message} ${FREE_PLACE}` : message;
}

/**
 * @param {Problem | null} problem
 * @param {number} seconds until the next attempt
 * @returns {string} "in 9 s", to be put behind the headline
 */
export const countdown = (problem, seconds) => (waitHeadline(problem) === null ? `in ${seconds} s` : `asks again in ${seconds} s`);

/** What to do about each refusal of a door, by the server's word for it. @type {Readonly<Record<string, Told>>} */
const DOORS = Object.freeze({
  no_token: {
    headline: "You need a link",
    detail: "Ask whoever runs this room for a link to listen, and open it in this browser.",
  },
  bad_token: {
    headline: "This link does not let you in",
    detail: "Ask whoever gave it to you for a new one, and open that one in this browser.",
  },
  wrong_network: {
    headline: "Not open to your network",
    detail: "Join the network that the server is on, such as its Wi-Fi, or ask whoever runs this room for a link.",
  },
  removed: { headline: "You were removed", detail: "Then press Listen again." },
  bad_password: { headline: "Wrong user or password", detail: "Load the page again, and enter them once more." },
});

/**
 * @param {string} why the server's word
 * @param {string} said its sentence, or ""
 * @returns {Told}
 */
export function doorWords(why, said) {
  const told = DOORS[why] ?? { headline: "Not allowed in", detail: "Ask whoever runs this room." };
  // What the server says may end with what to do.
  const asks = /\bask\b/i.test(said);
  return { headline: told.headline, detail: asks ? said : `${said} ${told.detail}`.trim() };
}

/**
 * @param {string} said by the server
 * @param {boolean} listens whether the sound can be heard all the same
 * @returns {string} what is said of a performer's link that does not let its holder play
 */
export function oldLink(said, listens) {
  const { detail } = doorWords("bad_token", said);
  return listens ? `${detail} You can listen, but not play.` : detail;
}
