// @ts-check
/** What can go wrong on the way to the sound. */

import { speaker } from "./say.js";

export const PROBLEMS = /** @type {const} */ ({
  unreachable: "The server does not answer. It may be restarting, or this device is on another network.",
  lost: "The connection was lost.",
  no_media: "The connection stands, but no sound has arrived for a few seconds.",
  webrtc_missing: "This browser has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has it.",
  studio_refused: "This server has no Studio mode that this page can play.",
  negotiation: "This browser and the server could not agree: {reason}",
  room_unknown: "There is no such room on this server.",
  not_allowed: "This room is not open to you.",
  server_busy: "The server has no place left just now.",
  server_error: "The server failed (HTTP {status}).",
  refused: "The server refused the connection (HTTP {status}).",
  "ice.none": "The server answered, but named no address for the sound. Tell whoever runs it.",
  "ice.none.todo": "Set public_host in the server's configuration to an address that listeners can reach.",
  "ice.udp": "The server answers, but the sound does not get through. A firewall may be in the way: try another network. If that does not help, tell whoever runs this server which addresses were tried (below, over UDP).",
  "ice.tcp": "The server answers, but the sound does not get through. A firewall may be in the way: try another network. If that does not help, tell whoever runs this server which addresses were tried (below, over UDP and TCP).",
  "ice.udp.todo": "The addresses below were tried over UDP. If none of them can be reached from here, set public_host in the server's configuration to one that can; if one can, a firewall is blocking its UDP port.",
  "ice.tcp.todo": "The addresses below were tried. If none of them can be reached from here, set public_host in the server's configuration to one that can; if one can, a firewall is blocking its UDP port, and whatever speaks no HTTP on its TCP port.",
  no_address: "This server has no address for the sound that can be reached from here. Tell whoever runs it.",
});

export const say = speaker("problems", PROBLEMS);
