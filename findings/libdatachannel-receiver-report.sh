#!/usr/bin/env bash
# node-datachannel's receiver reports state the highest sequence number in the wrong half of its field, and losses
# that were none.
#
# RFC 3550, section 6.4.1: the low 16 bits of "extended highest sequence number received" hold the number, the high 16
# bits the count of cycles. RtcpReceivingSession puts the number into the high 16 bits, counts all numbers before the
# first packet's as lost, and leaves jitter and the delay since the last sender report at 0. Whoever computes losses or
# round-trip times from that finds nonsense.
#
# Seen with node-datachannel 0.33.4 and Node 20.20, werift 0.23.0 sending packets 1000, 1001, 1002, … over loopback,
# none of which is lost:
#   77 received; highest sequence number: high half 1073, low half 0; lost 1000, jitter 0, delay 0
# Fails if the low half holds the number, or if no packet is said to be lost.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund node-datachannel@0.33.4 werift@0.23.0
cat >finding.mjs <<'JS'
import libdatachannel from "node-datachannel";
import { MediaStreamTrack, RTCPeerConnection, RtcpRrPacket, RtpHeader, RtpPacket, RTCRtpCodecParameters } from "werift";

const FIRST = 1000;
const opus = new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48000, channels: 2, payloadType: 111 });
const iceServers = [{ urls: "stun:127.0.0.1:9" }];
const sender = new RTCPeerConnection({ iceServers, codecs: { audio: [opus] } });
const source = new MediaStreamTrack({ kind: "audio" });

const receiver = new libdatachannel.PeerConnection("receiver", { iceServers: [], disableAutoNegotiation: true });
const audio = new libdatachannel.Audio("0", "RecvOnly");
audio.addOpusCodec(111);
const track = receiver.addTrack(audio);
const reports = new libdatachannel.RtcpReceivingSession();
track.setMediaHandler(reports);
let received = 0;
track.onMessage(() => void (received += 1));
Object.assign(globalThis, { keep: [receiver, track, reports] });

await new Promise((resolve) => {
  receiver.onGatheringStateChange((state) => state === "complete" && resolve());
  receiver.setLocalDescription("offer");
});
const transceiver = sender.addTransceiver(source, { direction: "sendonly" });
await sender.setRemoteDescription({ type: "offer", sdp: receiver.localDescription().sdp });
transceiver.setDirection("sendonly");
await sender.setLocalDescription(await sender.createAnswer());
receiver.setRemoteDescription(sender.localDescription.sdp, "answer");

const handle = transceiver.sender.handleRtcpPacket.bind(transceiver.sender);
transceiver.sender.handleRtcpPacket = (packet) => {
  if (packet instanceof RtcpRrPacket) {
    for (const { highestSequence, packetsLost, jitter, dlsr } of packet.reports) {
      const [high, low] = [highestSequence >>> 16, highestSequence & 0xffff];
      console.log(`${received} received; highest sequence number: high half ${high}, low half ${low}; ` +
        `lost ${packetsLost}, jitter ${jitter}, delay ${dlsr}`);
      process.exit(packetsLost === FIRST && low === 0 && high >= FIRST && high <= FIRST + 2000 ? 0 : 1);
    }
  }
  return handle(packet);
};
await new Promise((resolve) => {
  const look = () => (sender.connectionState === "connected" ? resolve() : setTimeout(look, 20));
  look();
});
let sequence = FIRST;
setInterval(() => {
  const header = new RtpHeader({ payloadType: 111, sequenceNumber: sequence, timestamp: sequence * 480, ssrc: 1 });
  source.writeRtp(new RtpPacket(header, Buffer.from([0xfc, 0xff, 0xfe])));
  sequence += 1;
}, 10);
setTimeout(() => process.exit(2), 15_000);
JS
node finding.mjs || { echo "node-datachannel behaves differently" >&2; exit 1; }
