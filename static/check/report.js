// @ts-check
/**
 * The result as plain text, for a bug report: no token, no address, no name of a room or a person. It is in English, whatever the
 * page's language is, for whoever reads reports. Pure.
 */

import { inEnglish } from "../words/check.js";

/** @typedef {import("./verdicts.js").Line} Line */
/** @typedef {import("./verdicts.js").TestId} TestId */

/** Names of browsers as they call themselves, the more special ones first. @type {[RegExp, string][]} */
const BROWSERS = [
  [/\bEdgA?\/(\d+)/, "Edge"],
  [/\bEdgiOS\/(\d+)/, "Edge"],
  [/\bOPR\/(\d+)/, "Opera"],
  [/\bSamsungBrowser\/(\d+)/, "Samsung Internet"],
  [/\bFirefox\/(\d+)/, "Firefox"],
  [/\bFxiOS\/(\d+)/, "Firefox"],
  [/\bCriOS\/(\d+)/, "Chrome"],
  [/\b(?:Headless)?Chrome\/(\d+)/, "Chrome"],
  [/\bVersion\/(\d+)[\d.]* (?:Mobile\/\w+ )?Safari\//, "Safari"],
];
/** @type {[RegExp, string][]} */
const SYSTEMS = [
  [/\bWindows\b/, "Windows"],
  [/\bAndroid\b/, "Android"],
  [/\b(?:iPhone|iPad|iPod)\b/, "iOS"],
  [/\bMac OS X\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/**
 * @param {string} userAgent
 * @returns {string} "Firefox 153 on Linux"; what is not known is left out
 */
export function browserName(userAgent) {
  let browser = "Another browser";
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version === undefined) continue;
    browser = `${name} ${version}`;
    break;
  }
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1];
  return system === undefined ? browser : `${browser} on ${system}`;
}

const VERSION = /\/@([0-9a-f]+)\//;

/** The version of the page in the address of one of its scripts. @param {string} address @returns {string} "" where it has none */
export const pageVersion = (address) => VERSION.exec(address)?.[1] ?? "";

/**
 * @param {ReadonlyMap<TestId, Line>} lines
 * @param {{browser: string, version: string, at: Date}} about
 * @returns {string}
 */
export function reportText(lines, { browser, version, at }) {
  const when = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const head = [`rtcserver check, ${when}`, `Browser: ${browser}`, ...(version ? [`Page: ${version}`] : [])];
  const found = [...lines].map(([id, { state, found: phrase }]) => {
    const [name, result] = [inEnglish({ key: `name.${id}` }), inEnglish({ key: `state.${state}` })];
    return `${name}: ${result}. ${phrase === null ? "" : inEnglish(phrase)}`.trim();
  });
  return [...head, ...found, ""].join("\n");
}
