// @ts-check
/** MIDI devices of this computer (Web MIDI): asked for by a tap only, chosen by name, plugged in and out while the page is open. */

/** @typedef {{id: string, name: string}} Choice what is remembered of a device */
/** @typedef {{id: string, name: string, state: string}} Found */

/**
 * Finds the device that was chosen before: the one of the same id and name, else the only one of that name. Pure.
 *
 * @param {readonly Found[]} inputs
 * @param {Choice | null} wanted
 * @returns {string | null} its id
 */
export function choose(inputs, wanted) {
  if (!wanted) return null;
  const present = inputs.filter(({ state }) => state === "connected");
  const same = present.find(({ id, name }) => id === wanted.id && name === wanted.name);
  if (same) return same.id;
  const named = present.filter(({ name }) => name === wanted.name);
  return named.length === 1 ? (named[0]?.id ?? null) : null;
}

/**
 * A device's message as one that may be played, or null for system messages such as clock, active sensing and SysEx. Pure.
 *
 * @param {ArrayLike<number> | null} data
 * @returns {number[] | null}
 */
export function playable(data) {
  const bytes = [...Array.from(data ?? [])];
  const [status = 0] = bytes;
  return status >= 0x80 && status < 0xf0 && bytes.length >= 2 && bytes.length <= 3 ? bytes : null;
}

/**
 * @typedef {object} DevicesTell
 * @property {(inputs: Found[], chosen: string | null) => void} changed
 * @property {(message: number[], atMs: number) => void} message
 * @property {() => void} gone the chosen device was unplugged, or is no longer chosen
 */

export class Devices {
  #tell;
  #owner = new AbortController();
  /** @type {MIDIAccess | null} */
  #access = null;
  /** @type {MIDIInput | null} */
  #input = null;
  #wanted;

  /**
   * @param {Choice | null} wanted
   * @param {DevicesTell} tell
   */
  constructor(wanted, tell) {
    this.#wanted = wanted;
    this.#tell = tell;
  }

  /** Whether this browser has Web MIDI on this page: it needs a secure context. */
  get supported() {
    return typeof navigator.requestMIDIAccess === "function";
  }

  get asked() {
    return this.#access !== null;
  }

  /** @returns {Choice | null} */
  get wanted() {
    return this.#wanted;
  }

  /** Opens without a question where the permission was given before. */
  async openIfAllowed() {
    if (!this.supported || !this.#wanted) return;
    try {
      const { state } = await navigator.permissions.query(/** @type {any} */ ({ name: "midi" }));
      if (state === "granted") await this.open();
    } catch {
      // This browser cannot tell the permission without asking for it.
    }
  }

  /**
   * Asks for permission. Browsers want this to happen in a tap.
   *
   * @returns {Promise<boolean>} whether it was given
   */
  async open() {
    if (this.#access) return true;
    try {
      this.#access = await navigator.requestMIDIAccess();
    } catch {
      return false;
    }
    if (this.#owner.signal.aborted) return false;
    this.#access.addEventListener("statechange", () => this.#follow(), { signal: this.#owner.signal });
    this.#follow();
    return true;
  }

  /** @param {string | null} id of an input; null for none */
  choose(id) {
    const input = this.#inputs().find((one) => one.id === id);
    this.#wanted = input ? { id: input.id, name: input.name } : null;
    this.#follow();
  }

  close() {
    this.#owner.abort();
    this.#listen(null);
  }

  #follow() {
    const inputs = this.#inputs();
    const id = choose(inputs, this.#wanted);
    this.#listen(id === null ? null : (this.#access?.inputs.get(id) ?? null));
    this.#tell.changed(inputs, id);
  }

  /** @returns {Found[]} */
  #inputs() {
    return [...(this.#access?.inputs.values() ?? [])].map(({ id, name, state }) => ({ id, name: name ?? id, state }));
  }

  /** @param {MIDIInput | null} input */
  #listen(input) {
    if (input === this.#input) return;
    if (this.#input) {
      this.#input.onmidimessage = null;
      this.#input.close().catch(() => {});
      this.#tell.gone();
    }
    this.#input = input;
    if (!input) return;
    // Setting the handler opens the port.
    input.onmidimessage = ({ data, timeStamp }) => {
      const message = playable(data);
      if (message) this.#tell.message(message, timeStamp);
    };
  }
}
