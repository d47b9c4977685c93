// @ts-check
/** Loads the page again when the server has another version of it. */

const RELOADED = "rtcserver.reloaded";
const RESUMES = "rtcserver.resumes";

/**
 * Loads the page again, but only once for the same cause: what does not help is not repeated.
 *
 * @param {string} cause the address of what is not there any more
 * @param {"" | "studio"} [resumes] what the page is to begin by itself after it
 * @returns {boolean} whether it does
 */
export function reloadOnce(cause, resumes = "") {
  try {
    if (sessionStorage.getItem(RELOADED) === cause) return false;
    sessionStorage.setItem(RELOADED, cause);
    if (resumes) sessionStorage.setItem(RESUMES, resumes);
  } catch {
    return false;
  }
  location.reload();
  return true;
}

/** What the page before this one wanted to begin; asked once. @returns {string} */
export function takeResumes() {
  try {
    const resumes = sessionStorage.getItem(RESUMES) ?? "";
    sessionStorage.removeItem(RESUMES);
    return resumes;
  } catch {
    return "";
  }
}
