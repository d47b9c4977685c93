// libdatachannel, a WebRTC stack in C++, as a listener:  node libdatachannel.mjs WHEP_URL SECONDS
// Prints a line of JSON: what it was answered, how many packets came, and whether it noticed the session's end.
import libdatachannel from "node-datachannel";

const [url = "", seconds = ""] = process.argv.slice(2);
const pc = new libdatachannel.PeerConnection("listener", { iceServers: [], disableAutoNegotiation: true });
const audio = new libdatachannel.Audio("0", "RecvOnly");
audio.addOpusCodec(111, "stereo=1");
const track = pc.addTrack(audio);
// Without it, it sends no receiver reports at all.
const reports = new libdatachannel.RtcpReceivingSession();
track.setMediaHandler(reports);
// What nobody refers to is collected as garbage, and falls silent.
Object.assign(globalThis, { keep: [pc, track, reports] });

const said = { status: 0, packets: 0, payloadTypes: [], left: 0, noticed: false };
const payloadTypes = new Set();
track.onMessage((packet) => {
  said.packets += 1;
  payloadTypes.add(packet[1] & 0x7f);
});
pc.onStateChange((state) => {
  said.noticed = state === "disconnected" || state === "closed";
});
await new Promise((resolve) => {
  pc.onGatheringStateChange((state) => state === "complete" && resolve());
  pc.setLocalDescription("offer");
});
const headers = { "Content-Type": "application/sdp", "User-Agent": "libdatachannel" };
const response = await fetch(url, { method: "POST", headers, body: pc.localDescription().sdp });
said.status = response.status;
pc.setRemoteDescription(await response.text(), "answer");
await new Promise((over) => setTimeout(over, Number(seconds) * 1000));
said.left = (await fetch(new URL(response.headers.get("Location"), url), { method: "DELETE" })).status;
await new Promise((over) => setTimeout(over, 3000));
said.payloadTypes = [...payloadTypes];
process.stdout.write(`${JSON.stringify(said)}\n`);
process.exit(0);
