// @ts-check
/** Performer numbers: who holds a key or moved a wheel. PROTOCOL.md, "Performer numbers and cells"; twin of `rtcserver/midi/performers.py`. */

/** The room: what the instrument has once, whoever set it, such as a program. */
export const ROOM = 0;
/** The person at the instrument's own keys. */
export const LOCAL = 1;
/** The player of MIDI files. */
export const FILE_PLAYER = 2;
/** Performers over the network, from the first to the last number. */
export const FIRST_PERFORMER = 3;
export const LAST_PERFORMER = 254;
/** The demo piece, whose notes the server does not send. */
export const DEMO = 255;
