#!/usr/bin/env bash
# whip-whep 1.2.0 cannot finish an ICE restart at a server that names two candidates.
#
# WHEPClient.restart() puts the candidates of the answering fragment into the remote description with
# Array.prototype.join(), whose separator is a comma when none is given: every line but the first begins with ",a=". They
# also stand directly behind the m= line, before c=. libwebrtc refuses such a description ("Invalid SDP line").
#
# Seen with whip-whep 1.2.0 and Node 20.20, a peer connection that only keeps what it is told, and a valid answer
# (RFC 9725, section 4.3.3) with two candidates:
#   ,a=candidate:2 1 udp 2130706175 192.0.2.2 9 typ host
# Fails if no line of the new remote description begins with a comma.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund whip-whep@1.2.0
cat >finding.mjs <<'JS'
import { WHEPClient } from "whip-whep/whep.js";

const offer = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n";
const m = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n";
const answer = `v=0\r\n${m}a=ice-ufrag:one1\r\na=ice-pwd:oneoneoneoneoneoneoneone\r\n`;
const candidate = (number, address) => `a=candidate:${number} 1 udp 2130706175 ${address} 9 typ host\r\n`;
const restarted =
  "a=ice-ufrag:two2\r\na=ice-pwd:twotwotwotwotwotwotwotwo\r\n" +
  "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" +
  candidate(1, "192.0.2.1") +
  candidate(2, "192.0.2.2");
globalThis.fetch = async (address, { method }) =>
  method === "POST"
    ? new Response(answer, { status: 201, headers: { Location: "session", ETag: '"1"' } })
    : new Response(restarted, { status: 200, headers: { ETag: '"2"' } });
const pc = {
  remoteDescription: null,
  createOffer: async () => ({ type: "offer", sdp: offer }),
  setLocalDescription: async () => {},
  setRemoteDescription: async (description) => void (pc.remoteDescription = description),
  getTransceivers: () => [{ mid: "0", receiver: { track: { kind: "audio" } } }],
  restartIce: () => {},
  getConfiguration: () => ({}),
  setConfiguration: () => {},
};
const player = new WHEPClient();
await player.view(pc, "http://192.0.2.1/whep");
await player.restart();
const wrong = pc.remoteDescription.sdp.split("\r\n").filter((line) => line.startsWith(","));
console.log(wrong.join("\n"));
process.exit(wrong.length === 1 ? 0 : 1);
JS
node finding.mjs || { echo "whip-whep behaves differently" >&2; exit 1; }
