// Google's own stack in Node (@roamhq/wrtc), driven by whip-whep's player:  node wrtc.mjs WHEP_URL SECONDS mono|stereo
// Prints a line of JSON: how many packets came, the layouts they were decoded to, and how the session ended. In mono
// the player leaves as it does by itself: it closes its connection and sends DELETE then. In stereo DELETE comes first,
// and it is seen whether the connection notices.
import wrtc from "@roamhq/wrtc";
import { WHEPClient } from "whip-whep/whep.js";

const [url = "", seconds = "", layout = ""] = process.argv.slice(2);
const wait = (s) => new Promise((over) => setTimeout(over, s * 1000));
const said = { status: 0, packets: 0, layouts: {}, left: 0, noticed: false };
const send = globalThis.fetch;
let nameless = false;
globalThis.fetch = async (address, options) => {
  if (nameless) return new Response(null, { status: 204 });
  const headers = { ...options.headers, "User-Agent": `wrtc ${layout}` };
  const response = await send(address, { ...options, headers });
  if (options.method === "POST") said.status = response.status;
  if (options.method === "DELETE") said.left = response.status;
  nameless = options.method === "POST" && !response.headers.has("Location");
  // go2rtc names no session, and the player insists on one.
  if (nameless) return new Response(await response.text(), { status: 201, headers: { Location: "none" } });
  return response;
};

const pc = new wrtc.RTCPeerConnection();
pc.addTransceiver("audio", { direction: "recvonly" });
pc.ontrack = ({ track }) => {
  const sink = new wrtc.nonstandard.RTCAudioSink(track);
  sink.ondata = ({ channelCount, sampleRate }) => {
    const name = `${channelCount} x ${sampleRate}`;
    said.layouts[name] = (said.layouts[name] ?? 0) + 1;
  };
};
const player = new WHEPClient();
if (layout === "stereo") player.onOffer = (sdp) => sdp.replace(/(a=fmtp:111 .*)/, "$1;stereo=1");
await player.view(pc, url);
await wait(Number(seconds));
for (const report of (await pc.getStats()).values()) {
  if (report.type === "inbound-rtp") said.packets = report.packetsReceived;
}
if (layout === "stereo") {
  await fetch(player.resourceURL, { method: "DELETE" });
  await wait(3);
  said.noticed = pc.connectionState !== "connected";
} else {
  await player.stop();
}
process.stdout.write(`${JSON.stringify(said)}\n`);
process.exit(0);
