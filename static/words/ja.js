// @ts-check
/** Japanese. Written by the project, and not yet read by people who speak it from home. */

/** @satisfies {import("./language.js").Catalog} */
export const JA = {
  figures: {
    percent: "{value}%",
    "percent.least": "{value}%未満",
    khz: "{value} kHz",
    channels: { other: "{n}チャンネル" },
    "by.udp": "（UDP）",
    "by.tcp": "（TCP）",
    "by.relay": "（中継）",
  },
  rooms: {
    choose: "聴きたいルームを選んでください。",
    none: "このサーバーにはまだルームがありません。",
    closed: "ルームの一覧を見る権限がありません。",
    away: "サーバーが応答しません。このページは接続を試し続けます。",
    "state.unknown": "現在は不明です",
    "state.silent": "楽器から音が出ていません。",
    "state.live": "ライブ中",
    "state.heard": { other: "ライブ中、{n}人が聴いています" },
  },
  room: {
    listeners: { other: "{n}人が聴いています" },
  },
  html: {},
};

if (globalThis.document) Object.assign(globalThis, { rtcserverWords: { catalog: JA } });
