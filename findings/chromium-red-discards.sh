#!/usr/bin/env bash
# Chromium counts the earlier frame in every RED packet as a discarded packet, although nothing was late.
#
# W3C webrtc-stats, RTCReceivedRtpStreamStats.packetsDiscarded: "RTP packets discarded by the jitter buffer due to late or
# early-arrival, i.e., these packets are not played out. RTP packets discarded due to packet duplication are not reported
# in this metric". With RED (RFC 2198) each packet repeats the frame before, which is a duplicate unless a packet was
# lost. Chromium counts it all the same: packetsDiscarded grows as fast as packetsReceived on a path that loses nothing,
# and fecPacketsReceived and fecPacketsDiscarded stay 0. Whoever reads late packets from it finds 100 %.
#
# Seen with Debian's Chromium 156.0.8078.108, playwright-core 1.55.0 and Node 20.20, two peer connections of one page,
# 5 s of an oscillator, once with RED first in the codec preferences and once with Opus alone:
#   RED preferred: audio/opus: received 263, lost 0, discarded 242, fec 0/0
#   Opus alone: audio/opus: received 250, lost 0, discarded 0, fec 0/0
# Fails if less than four fifths of the packets with RED are said to be discarded, or any without. Needs Debian's
# chromium; takes 15 s.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.55.0
cat >finding.mjs <<'JS'
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-features=WebRtcHideLocalIpsWithMdns"],
});
const page = await browser.newPage();
const listen = async (red) =>
  page.evaluate(async (red) => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context);
    const output = context.createMediaStreamDestination();
    oscillator.connect(output);
    oscillator.start();
    const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()];
    sender.onicecandidate = ({ candidate }) => receiver.addIceCandidate(candidate);
    receiver.onicecandidate = ({ candidate }) => sender.addIceCandidate(candidate);
    const audio = document.body.appendChild(document.createElement("audio"));
    receiver.ontrack = ({ track }) => {
      audio.srcObject = new MediaStream([track]);
      audio.play();
    };
    const transceiver = sender.addTransceiver(output.stream.getAudioTracks()[0], { direction: "sendonly" });
    const codecs = RTCRtpSender.getCapabilities("audio").codecs;
    const named = (name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `audio/${name}`);
    transceiver.setCodecPreferences(red ? [...named("red"), ...named("opus")] : named("opus"));
    await sender.setLocalDescription();
    await receiver.setRemoteDescription(sender.localDescription);
    await receiver.setLocalDescription();
    await sender.setRemoteDescription(receiver.localDescription);
    await new Promise((done) => setTimeout(done, 5000));
    const stats = [...(await receiver.getStats()).values()].find(({ type }) => type === "inbound-rtp");
    const sent = [...(await sender.getStats()).values()];
    const outbound = sent.find(({ type }) => type === "outbound-rtp");
    const codec = sent.find(({ id }) => id === outbound.codecId).mimeType;
    [sender, receiver].forEach((each) => each.close());
    return { codec, ...stats };
  }, red);
const line = ({ codec, packetsReceived, packetsLost, packetsDiscarded, fecPacketsReceived, fecPacketsDiscarded }) =>
  `${codec}: received ${packetsReceived}, lost ${packetsLost}, discarded ${packetsDiscarded}, ` +
  `fec ${fecPacketsReceived}/${fecPacketsDiscarded}`;
const [withRed, plain] = [await listen(true), await listen(false)];
console.log(`${browser.version()}\nRED preferred: ${line(withRed)}\nOpus alone: ${line(plain)}`);
await browser.close();
const shares = [withRed, plain].map((one) => one.packetsDiscarded / one.packetsReceived);
process.exit(withRed.packetsLost === 0 && withRed.packetsReceived > 100 && shares[0] > 0.8 && shares[1] < 0.1 ? 0 : 1);
JS
node finding.mjs || { echo "Chromium behaves differently" >&2; exit 1; }
