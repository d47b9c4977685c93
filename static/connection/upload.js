// @ts-check
/** Sends a MIDI file to a room, for its player. */

import { objection } from "../midi/files.js";
import { FROM_PAGE, roomApi } from "./server.js";
import { say } from "../words/stage.js";

/** @typedef {{file: string, name: string, durationS: number, remark: string}} Uploaded `file` is its id on the server,
    `remark` what was wrong with it, or empty */

/**
 * @param {string} room name
 * @param {string} token
 * @param {File} file
 * @returns {Promise<Uploaded>}
 * @throws {Error} whose message is a sentence for the performer
 */
export async function upload(room, token, file) {
  const no = objection(file);
  if (no) throw new Error(no);
  /** @type {Response} */
  let response;
  /** @type {any} */
  let body = null;
  try {
    response = await fetch(`${roomApi(room)}/files`, {
      method: "POST",
      headers: {
        ...FROM_PAGE,
        "Content-Type": "audio/midi",
        Authorization: `Bearer ${token}`,
        "X-File-Name": encodeURIComponent(file.name),
      },
      body: file,
    });
    body = await response.json().catch(() => null);
  } catch {
    throw new Error(say("upload.away"));
  }
  if (!response.ok) throw new Error(sentence(body?.message) ?? say("upload.refused", { status: response.status }));
  return {
    file: String(body?.file ?? ""),
    name: sentence(body?.name) ?? file.name,
    durationS: Number(body?.duration_s) || 0,
    remark: sentence(body?.remark) ?? "",
  };
}

/** @param {unknown} value @returns {string | null} */
function sentence(value) {
  return typeof value === "string" && value !== "" ? value.slice(0, 300) : null;
}
