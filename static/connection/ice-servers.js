// @ts-check
/**
 * The STUN and TURN servers that this page may use, with credentials that expire: the server tells them in `Link` headers to whoever
 * may listen and asks by OPTIONS (RFC 9725, section 4.6). Its pages say whether there are any; where there are none, nobody asks and
 * no connection waits.
 */

import { FROM_PAGE } from "./server.js";
import { authorization } from "./token.js";

/** How long what was told is used, in milliseconds: credentials may be for as little as a minute. */
export const FRESH_MS = 30_000;
/** How long the server may take to tell, in milliseconds; then the connection is tried without. */
const ASK_MS = 2_000;

/** @type {Map<string, {servers: Promise<RTCIceServer[]>, atMs: number}>} by the WHEP endpoint */
const told = new Map();

/** Whether the server that gave this page has STUN or TURN servers to tell of. */
export function haveIceServers() {
  return Boolean(globalThis.document?.querySelector('meta[name="rtcserver-ice-servers"]'));
}

/**
 * @param {string} url of a room's WHEP endpoint
 * @returns {Promise<RTCIceServer[]>} none where the server tells none, or nothing
 */
export function iceServers(url) {
  const known = told.get(url);
  const nowMs = performance.now();
  if (known && nowMs - known.atMs < FRESH_MS) return known.servers;
  const servers = ask(url);
  told.set(url, { servers, atMs: nowMs });
  return servers;
}

/**
 * @param {string} url
 * @returns {Promise<RTCIceServer[]>}
 */
async function ask(url) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ASK_MS);
  try {
    const headers = { ...FROM_PAGE, ...authorization(url) };
    const response = await fetch(url, { method: "OPTIONS", headers, cache: "no-store", signal: limit.signal });
    return readLinks(response.headers.get("Link") ?? "");
  } catch {
    told.delete(url);
    return [];
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads `Link` headers (RFC 8288, section 3) as a browser hands them out: several are one, with commas between them.
 *
 * @param {string} header
 * @returns {RTCIceServer[]} those whose relation is "ice-server", in their order
 */
export function readLinks(header) {
  const servers = [];
  for (const [, url = "", rest = ""] of header.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))*)/g)) {
    const parameters = new Map();
    for (const [, name = "", quoted, plain = ""] of rest.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))/g)) {
      const key = name.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain);
    }
    if (parameters.get("rel")?.toLowerCase() !== "ice-server") continue;
    const username = parameters.get("username");
    const credential = parameters.get("credential");
    servers.push(username === undefined || credential === undefined ? { urls: url } : { urls: url, username, credential });
  }
  return servers;
}
