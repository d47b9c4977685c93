// @ts-check
/** The test page. What its tests find is said twice: in the page's language, and in English for a report. */

import { Language } from "./language.js";
import { speaker } from "./say.js";

export const CHECK = /** @type {const} */ ({
  // Names of the tests, and what each is for.
  "name.server": "Server",
  "means.server": "Whether this page reaches the server by HTTP.",
  "name.access": "Access",
  "means.access": "Whether you may listen here, and whether your link lets you play.",
  "name.webrtc": "WebRTC",
  "means.webrtc": "What brings the sound here. Without it there is only the sound by HTTP, some seconds later.",
  "name.opus": "Opus",
  "means.opus": "How the sound is packed. Without it nothing can be heard by WebRTC.",
  "name.udp": "UDP",
  "means.udp": "The quickest way for the sound. Where it is blocked, TCP or a relay has to do.",
  "name.tcp": "TCP",
  "means.tcp": "The way for the sound where UDP is blocked. Lost packets make it pause.",
  "name.turn": "TURN relay",
  "means.turn": "A way round firewalls that block all else, if the server’s owner has set one up.",
  "name.jitter": "This line",
  "means.jitter": "How evenly packets come for ten seconds, and how many get lost. What comes unevenly has to be waited for.",
  "name.secure": "Secure page",
  "means.secure": "Studio, MIDI keyboards and copying need a page that comes by https, or from this very machine.",
  "name.worklet": "AudioWorklet",
  "means.worklet": "Studio plays its samples by it.",
  "name.transform": "Encoded Transform",
  "means.transform": "Studio takes its samples out of the stream by it. Without it they come on a DataChannel.",
  "name.midi": "Web MIDI",
  "means.midi": "MIDI keyboards on this computer play the instrument by it. The keys on the screen need nothing.",
  "name.clock": "Clock",
  "means.clock": "How far this device’s clock is from the server’s. Links expire by the server’s.",
  // How a test ended.
  "state.waits": "Testing…",
  "state.good": "Good",
  "state.warn": "Not so good",
  "state.bad": "Does not work",
  "state.none": "Not tested",
  // What was found.
  silent: "The server does not answer.",
  answers: "It answers in {ms} ms.",
  "access.none": "No room could be tried.",
  "access.unsaid": "The server does not say.",
  "access.later": "Whether you may listen is decided when you press Listen.",
  "access.no": "You may not listen.",
  "access.listen": "You may listen.",
  "access.play": "You may listen and play.",
  "access.noplay": "You may listen; this link does not let you play.",
  there: "It is there.",
  missing: "It is missing.",
  "missing.off": "It is missing, or switched off.",
  "opus.came": "Sound came and was decoded.",
  "opus.no": "This browser does not decode it.",
  "opus.yes": "This browser decodes it.",
  "opus.unsaid": "This browser does not say.",
  "secure.yes": "It is secure.",
  "secure.no": "It is not secure: Listen works, Studio and MIDI keyboards do not.",
  "secure.needed": "It needs a secure page.",
  "transform.no": "It is missing: Studio takes a DataChannel, of which the server has few places.",
  "midi.denied": "It is there, but not allowed.",
  "midi.granted": "It is there and allowed.",
  "midi.asks": "It is there, and asks before it is used.",
  "way.connected": "Connected in {ms} ms.",
  "way.blocked": "No connection.",
  "way.webrtc": "It needs WebRTC.",
  "way.room": "It needs a room that you may listen to.",
  "way.none": "This server has none.",
  "way.none.by": "This server offers no way by {by}.",
  "way.full": "The room is full at this moment.",
  "way.closed": "You may not listen here.",
  "way.refused": "The server refuses at this moment.",
  "jitter.none": "It needs a connection.",
  "jitter.silent": "No packet came in {seconds} s.",
  "jitter.trip": "Varies by up to {ms} ms, {percent} % lost, round trip {trip} ms.",
  jitter: "Varies by up to {ms} ms, {percent} % lost.",
  "clock.same": "They agree.",
  "clock.ahead": "This clock is {s} s ahead of the server’s (± {error} ms).",
  "clock.behind": "This clock is {s} s behind the server’s (± {error} ms).",
  // What helps.
  "todo.server": "See whether this device is on the right network, and whether the server runs. Then test again.",
  "todo.room": "Open this page from the page of a room, or by a link that is valid.",
  "todo.newer": "A current Chrome, Edge, Firefox or Safari has it.",
  "todo.secure": "Open the page by https instead of {origin}. Whoever runs the server turns that on by “--tls auto”.",
  "todo.midi": "Chrome, Edge and Firefox have it. The keys on the screen play without it.",
  "todo.midi.denied": "You or a rule have forbidden it. Allow MIDI devices in the site’s settings, left of the address, and load the page again.",
  "todo.udp": "A firewall between here and the server blocks UDP, or the server names an address that cannot be reached from here. Try another network, or ask whoever runs the server: its UDP port has to be open, and “public_host” has to name an address of it.",
  "todo.tcp": "A proxy or a firewall lets only HTTP pass. If UDP works, nothing is missing.",
  "todo.turn": "The relay does not answer, or refuses. Ask whoever runs the server to look at it.",
  "todo.silent": "The connection stands and brings nothing. Test again; if it stays so, tell whoever runs the server.",
  "todo.line": "A cable, or a place nearer to the Wi-Fi’s router, helps.",
  "todo.clock": "Set this device’s clock, or let it follow the network’s time; if it is right, the server’s is wrong.",
  // How far the tests are.
  takes: "This takes some {seconds} seconds.",
  listening: "Listening to the line, {seconds} s more.",
  "done.good": "All that was tested works.",
  done: { one: "Done. {n} of {all} needs a look; it says what helps.", other: "Done. {n} of {all} need a look; each says what helps." },
  copied: "Copied. Paste it into your report.",
  "by-hand": "This browser does not copy from here: the text below is marked, copy it by hand.",
});

/** @typedef {keyof typeof CHECK} Key */
/**
 * @typedef {object} Phrase what is to be said
 * @property {Key} key
 * @property {Record<string, string | number>} [values]
 */

export const say = speaker("check", CHECK);

const english = new Language("en");

/** @param {Phrase} phrase @returns {string} in the page's language */
export const sayPhrase = ({ key, values }) => /** @type {(key: Key, values?: object) => string} */ (say)(key, values);

/** @param {Phrase} phrase @returns {string} in English */
export const inEnglish = ({ key, values = {} }) => english.say("check", key, CHECK[key], values);
