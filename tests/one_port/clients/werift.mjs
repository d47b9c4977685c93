// werift, a WebRTC stack in pure TypeScript, as a listener:  node werift.mjs WHEP_URL PACKETS
// Prints what it was answered as a line of JSON, then each RTP packet as one, and leaves.
import { RTCPeerConnection, RTCRtpCodecParameters } from "werift";

const [url = "", count = ""] = process.argv.slice(2);
const opus = new RTCRtpCodecParameters({
  mimeType: "audio/opus",
  clockRate: 48000,
  channels: 2,
  payloadType: 96,
  parameters: "stereo=1",
  rtcpFeedback: [{ type: "nack" }],
});
// Without a STUN server it would ask a public one, and wait 5 s for it; nobody answers at this one either.
const iceServers = [{ urls: "stun:127.0.0.1:9" }];
const pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle", codecs: { audio: [opus] } });
let left = Number(count);
const print = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);

const heard = new Promise((enough) => {
  pc.onTrack.subscribe((track) =>
    track.onReceiveRtp.subscribe(({ header, payload }) => {
      if (left === 0) return;
      const { payloadType, ssrc, sequenceNumber, timestamp } = header;
      print({ payloadType, ssrc, sequenceNumber, timestamp, payload: payload.toString("base64") });
      if (--left === 0) enough();
    }),
  );
});
const late = setTimeout(() => {
  console.error(`${pc.connectionState}, ${left} packets are missing`);
  process.exit(1);
}, 20_000 + left * 10);

pc.addTransceiver("audio", { direction: "recvonly" });
// Not awaited, as that includes STUN; a server that is ICE-lite needs no candidates.
pc.setLocalDescription(await pc.createOffer()).catch(() => {});
await new Promise((begun) => setTimeout(begun, 100));
const headers = { "Content-Type": "application/sdp", "User-Agent": "werift" };
const response = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
const answer = await response.text();
print({ status: response.status, answer });
await pc.setRemoteDescription({ type: "answer", sdp: answer });
await heard;
clearTimeout(late);
const gone = await fetch(new URL(response.headers.get("Location"), url), { method: "DELETE" });
await new Promise((over) => setTimeout(over, count > 1000 ? 3000 : 0));
print({ status: gone.status, noticed: pc.connectionState !== "connected" });
process.exit(0);
