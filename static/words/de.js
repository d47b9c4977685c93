// @ts-check
/** German. Written by the project, and not yet read by people who speak it from home. Dashes and quotation marks are those of German. */

/** @satisfies {import("./language.js").Catalog} */
export const DE = {
  figures: {
    percent: "{value}\u00a0%",
    "percent.least": "<\u00a0{value}\u00a0%",
    khz: "{value}\u00a0kHz",
    channels: { one: "{n} Kanal", other: "{n} Kanäle" },
    "by.udp": " über UDP",
    "by.tcp": " über TCP",
    "by.relay": " über ein Relay",
  },
  rooms: {
    choose: "Wähle, was du hören möchtest.",
    none: "Dieser Server hat noch keine Räume.",
    closed: "Die Liste der Räume ist für dich nicht offen.",
    away: "Der Server antwortet nicht. Diese Seite fragt weiter.",
    "state.unknown": "Zurzeit nicht bekannt",
    "state.silent": "Das Instrument ist stumm.",
    "state.live": "Live",
    "state.heard": { one: "Live, {n} Person hört zu", other: "Live, {n} Personen hören zu" },
  },
  room: {
    listeners: { one: "{n} Person hört zu", other: "{n} Personen hören zu" },
  },
  html: {},
};

if (globalThis.document) Object.assign(globalThis, { rtcserverWords: { catalog: DE } });
