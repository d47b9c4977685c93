// @ts-check
/** The fields for one's name: a performer's, and a listener's who wants those who play to see it. Both say the same. */

import { byId } from "../ui/dom.js";
import { MAX_NAME, cleanName } from "./memory.js";

export class NameFields {
  #fields = [byId("performer-name", HTMLInputElement), byId("listener-name", HTMLInputElement)];

  /**
   * @param {string} name that is known
   * @param {(name: string) => void} renamed
   * @param {AbortSignal} signal
   */
  constructor(name, renamed, signal) {
    for (const field of this.#fields) {
      field.maxLength = MAX_NAME;
      field.addEventListener("change", () => renamed(this.#show(cleanName(field.value))), { signal });
      field.addEventListener("keydown", ({ key }) => key === "Enter" && field.blur(), { signal });
    }
    this.#show(name);
  }

  /** @param {string} name */
  #show(name) {
    for (const field of this.#fields) field.value = name;
    return name;
  }
}
