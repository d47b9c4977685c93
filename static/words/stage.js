// @ts-check
/** Playing: who plays, the controls, sounds, files and MIDI devices. */

import { speaker } from "./say.js";

export const STAGE = /** @type {const} */ ({
  local: "At the instrument",
  demo: "The demo piece plays",
  file: "MIDI file",
  performer: "Performer {number}",
  "performer.own": "you",
  typing: "{note}, velocity {velocity}",
  "device.none": "None",
  silence: "Silence everyone",
  "silence.again": "Press again to silence everyone",
  "bend.percent": "{value} percent",
  chosen: "Chosen by {name}",
  ways: "Ways to choose a sound",
  select: "Select",
  "file.unnamed": "A MIDI file",
  "file.none": "No file yet",
  "file.position": "{position} of {duration}",
  "file.pause": "Pause",
  "file.play": "Play",
  "file.sending": "Sending {name} …",
  "file.tempo": "tempo {percent}",
  "file.kind": "This is not a MIDI file: its name should end in .mid.",
  "file.empty": "This file is empty.",
  "file.large": "This file is too large: {size} MB, at most 1 MB.",
  "midi.insecure": "MIDI keyboards need a secure page: open this one by https, or on the server’s own machine. The keys on the screen play all the same.",
  "midi.missing": "This browser has no Web MIDI; Chrome, Edge and Firefox have it. The keys on the screen play all the same.",
  "midi.unplugged": "{name} is not plugged in; it is used again when it is.",
  "midi.refused": "This browser keeps MIDI devices from the page. Allow them in its settings for this site, left of the address, and press again. The keys on the screen play all the same.",
  "midi.none": "No MIDI device is plugged in. One that you plug in appears here.",
  "upload.refused": "The server refuses this file ({status}).",
  "upload.away": "The server cannot be reached.",
});

export const say = speaker("stage", STAGE);
