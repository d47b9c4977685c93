// @ts-check
/**
 * Many buttons that are one stop of the Tab key: arrows lead from one to the next ("Roving tabindex" of the ARIA Authoring
 * Practices).
 */

/**
 * @param {string} key as a keyboard event names it
 * @param {number} index of the button that has the focus
 * @param {number} count of buttons
 * @param {boolean} [mirrored] whether the script runs from right to left, so that the next button is on the left
 * @returns {number | null} index of the button that it leads to; null: it leads nowhere
 */
export function next(key, index, count, mirrored = false) {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const [onwards, back] = mirrored ? ["ArrowLeft", "ArrowRight"] : ["ArrowRight", "ArrowLeft"];
  const by = key === "ArrowDown" || key === onwards ? 1 : key === "ArrowUp" || key === back ? -1 : 0;
  return by === 0 ? null : Math.min(Math.max(index + by, 0), count - 1);
}

/**
 * @param {HTMLElement} group
 * @returns {(button: HTMLButtonElement) => void} makes another button of it the stop
 */
export function rove(group) {
  const buttons = [...group.querySelectorAll("button")];
  let stop = buttons[0];
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
  /** @param {HTMLButtonElement} button */
  const move = (button) => {
    if (stop) stop.tabIndex = -1;
    stop = button;
    button.tabIndex = 0;
  };
  group.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLButtonElement) move(target);
  });
  group.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.target instanceof HTMLButtonElement)) return;
    const mirrored = getComputedStyle(group).direction === "rtl";
    const to = next(event.key, buttons.indexOf(event.target), buttons.length, mirrored);
    if (to === null) return;
    event.preventDefault();
    buttons[to]?.focus();
  });
  return move;
}
