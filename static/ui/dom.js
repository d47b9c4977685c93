// @ts-check
/** Finds an element of the page, and sets its text. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{new (): T}} kind
 * @returns {T}
 * @throws {Error} when the page and its modules do not belong together
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`The page has no ${kind.name} #${id}`);
  return element;
}

/**
 * Sets a text, unless it is there already: a screen reader would read a live region again. A text changes in its place, as a new node
 * has the browser match again all that a style says of what an element has within it.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent === text) return;
  const { firstChild } = element;
  if (firstChild?.nodeType === Node.TEXT_NODE && firstChild === element.lastChild && text !== "") firstChild.nodeValue = text;
  else element.textContent = text;
}
