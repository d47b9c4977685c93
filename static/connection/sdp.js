// @ts-check
/** The few things the page reads from and changes in SDP. Pure: text in, text or values out. */

/**
 * @typedef {object} Candidate one `a=candidate` line (RFC 8839, section 5.1)
 * @property {string} address an IPv4 or IPv6 address, or a name
 * @property {number} port
 * @property {string} protocol "udp" or "tcp"
 * @property {string} type "host", "srflx", "prflx" or "relay"
 */

/** The parameters that the page asks of Opus: without them Chromium decodes in mono (RFC 7587, section 6.1). */
const STEREO = [
  ["stereo", "1"],
  ["sprop-stereo", "1"],
];

/**
 * Returns the SDP with `stereo=1;sprop-stereo=1` in the format parameters of every Opus payload type.
 *
 * Payload types differ between browsers (111 in Chromium, 109 in Firefox), so they are looked up. Parameters that are
 * there already keep their value unless they are the two in question. Calling it twice changes nothing.
 *
 * @param {string} sdp
 * @returns {string}
 */
export function withStereoOpus(sdp) {
  const newline = sdp.includes("\r\n") ? "\r\n" : "\n";
  return sections(sdp.split(/\r?\n/))
    .flatMap((lines) => (lines[0]?.startsWith("m=audio") ? stereoSection(lines) : lines))
    .join(newline);
}

/**
 * @param {string} sdp
 * @returns {boolean} whether an Opus payload type of this description asks to be decoded in stereo
 */
export function asksForStereo(sdp) {
  const lines = sdp.split(/\r?\n/);
  return opusPayloadTypes(lines).some((type) =>
    lines.some((line) => line.startsWith(`a=fmtp:${type} `) && /[ ;]stereo=1(?:;|\s|$)/.test(line)),
  );
}

/**
 * @param {string} sdp
 * @returns {number | null} the payload type of packets that carry earlier frames (RED, RFC 2198); null if there are none
 */
export function redundantType(sdp) {
  const found = /^a=rtpmap:(\d+) red\/48000(?:\/2)?\r?$/im.exec(sdp);
  return found ? Number(found[1]) : null;
}

/**
 * @param {string} sdp
 * @returns {boolean} whether audio may come in such packets
 */
export function takesRedundancy(sdp) {
  return redundantType(sdp) !== null;
}

/**
 * @param {string} sdp
 * @returns {Candidate[]} in the order of the description, each address and port once
 */
export function candidates(sdp) {
  /** @type {Map<string, Candidate>} */
  const found = new Map();
  for (const line of sdp.split(/\r?\n/)) {
    // a=candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> ...
    const match = /^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+)/i.exec(line);
    if (!match) continue;
    const [, protocol = "", address = "", port = "", type = ""] = match;
    const key = `${protocol} ${address} ${port}`.toLowerCase();
    if (!found.has(key)) {
      found.set(key, { address, port: Number(port), protocol: protocol.toLowerCase(), type: type.toLowerCase() });
    }
  }
  return [...found.values()];
}

/**
 * Returns the answer with one more host candidate: the `.local` name by which this page was opened, at the server's port.
 *
 * This browser has found that name by multicast DNS (RFC 6762); a server in a container cannot, and knows no address that leads
 * to it from outside. Browsers resolve such candidates themselves, because they hide their own addresses behind names of this
 * form: one label before `.local` (draft-ietf-mmusic-mdns-ice-candidates, section 3.2.1). The name comes last in priority,
 * of UDP, so that an address that works is not kept waiting. Other hosts, and an answer with several ports, are left as they are.
 *
 * @param {string} sdp an answer
 * @param {string} hostname of the address that answered
 * @returns {string}
 */
export function withLocalName(sdp, hostname) {
  const name = hostname.toLowerCase().replace(/\.$/, "");
  const hosts = candidates(sdp).filter(({ protocol, type }) => protocol === "udp" && type === "host");
  const port = hosts[0]?.port;
  if (!/^[a-z0-9_-]+\.local$/.test(name) || hosts.some((host) => host.port !== port || host.address === name)) return sdp;
  const newline = sdp.includes("\r\n") ? "\r\n" : "\n";
  return sections(sdp.split(/\r?\n/))
    .flatMap((lines) => {
      const priorities = lines.map((line) => (/ tcp /i.test(line) ? null : priorityOf(line)));
      const last = priorities.map((priority) => priority !== null).lastIndexOf(true);
      if (last < 0) return lines;
      const lowest = Math.min(...priorities.flatMap((priority) => priority ?? []));
      const named = `a=candidate:local 1 udp ${Math.max(1, lowest - 1)} ${name} ${port} typ host`;
      return [...lines.slice(0, last + 1), named, ...lines.slice(last + 1)];
    })
    .join(newline);
}

/**
 * @param {string} line
 * @returns {number | null} the priority of a candidate line (RFC 8445, section 5.1.2)
 */
function priorityOf(line) {
  const match = /^a=candidate:\S+ \d+ \S+ (\d+) /.exec(line);
  return match ? Number(match[1]) : null;
}

/**
 * @param {Candidate} candidate
 * @returns {string} as people write it: "192.0.2.1:8080", "[2001:db8::1]:8080", "… (TCP)"
 */
export function addressOf({ address, port, protocol }) {
  const host = address.includes(":") ? `[${address}]` : address;
  return protocol === "udp" ? `${host}:${port}` : `${host}:${port} (${protocol.toUpperCase()})`;
}

/**
 * Cuts a description at its m-lines; the first part is the session's.
 *
 * @param {string[]} lines
 * @returns {string[][]}
 */
function sections(lines) {
  /** @type {string[][]} */
  const parts = [[]];
  for (const line of lines) {
    if (line.startsWith("m=")) parts.push([]);
    parts.at(-1)?.push(line);
  }
  return parts;
}

/**
 * @param {string[]} lines
 * @returns {string[]}
 */
function opusPayloadTypes(lines) {
  return lines.flatMap((line) => {
    const match = /^a=rtpmap:(\d+) opus\/48000(?:\/2)?\s*$/i.exec(line);
    return match?.[1] ? [match[1]] : [];
  });
}

/**
 * @param {string[]} lines one audio section
 * @returns {string[]}
 */
function stereoSection(lines) {
  const result = [...lines];
  for (const type of opusPayloadTypes(lines)) {
    const prefix = `a=fmtp:${type} `;
    const at = result.findIndex((line) => line.startsWith(prefix));
    if (at >= 0) {
      result[at] = prefix + stereoParameters(result[at]?.slice(prefix.length) ?? "");
    } else {
      const map = result.findIndex((line) => line.startsWith(`a=rtpmap:${type} `));
      result.splice(map + 1, 0, prefix + stereoParameters(""));
    }
  }
  return result;
}

/**
 * @param {string} parameters "minptime=10;useinbandfec=1"
 * @returns {string}
 */
function stereoParameters(parameters) {
  const names = STEREO.map(([name]) => name);
  const kept = parameters
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part && !names.includes(part.split("=")[0]?.toLowerCase() ?? ""));
  return [...kept, ...STEREO.map(([name, value]) => `${name}=${value}`)].join(";");
}

/**
 * The fragment that ends an offer's candidates (RFC 8840, section 9).
 *
 * @param {string} sdp the offer
 */
export function noMoreCandidates(sdp) {
  const credentials = ["a=ice-ufrag:", "a=ice-pwd:"].map((name) => sdp.split(/\r?\n/).find((line) => line.startsWith(name)) ?? "");
  return [...credentials, "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", "a=end-of-candidates", ""].filter((line, at) => line || at > 1).join("\r\n");
}

/**
 * The fragment that asks for a restart of ICE (RFC 9725, section 4.3.3; RFC 8840, section 9). The server is ICE-lite and learns this
 * browser's addresses from its checks, so no candidates are in it.
 *
 * @param {string} sdp the offer with the new credentials
 * @returns {string}
 */
export function restartFragment(sdp) {
  return noMoreCandidates(sdp);
}

/**
 * The answer to an offer that restarts ICE: the answer that holds, with the credentials and candidates of the server's fragment.
 *
 * @param {string} answer
 * @param {string} fragment
 * @returns {string | null} null when the fragment has no credentials
 */
export function restartedAnswer(answer, fragment) {
  const said = fragment.split(/\r?\n/);
  const find = (/** @type {string} */ name) => said.find((line) => line.startsWith(name)) ?? "";
  const [ufrag, password] = [find("a=ice-ufrag:"), find("a=ice-pwd:")];
  if (!ufrag || !password) return null;
  const offered = said.filter((line) => line.startsWith("a=candidate:"));
  const newline = answer.includes("\r\n") ? "\r\n" : "\n";
  return sections(answer.split(/\r?\n/))
    .flatMap((lines) => {
      const had = lines.some((line) => line.startsWith("a=candidate:")) && offered.length > 0;
      return lines.flatMap((line) => {
        if (line.startsWith("a=ice-ufrag:")) return [ufrag];
        if (line.startsWith("a=ice-pwd:")) return had ? [password, ...offered] : [password];
        return had && line.startsWith("a=candidate:") ? [] : [line];
      });
    })
    .join(newline);
}
