// @ts-check
/** The sounds that an instrument's profile offers, and what they are called. Pure. Their ids are `scheme/bank/program`, from 0. */

/**
 * @typedef {object} Scheme one way of choosing a sound
 * @property {string} id
 * @property {string} title
 * @property {"grid" | "list" | "numbers"} layout
 * @property {number | null} bankMsb null: no bank select, or the server does not say
 * @property {[number, number]} banks first and last
 * @property {[number, number]} programs first and last
 * @property {string} bankTitle
 * @property {string} programTitle
 * @property {string[]} bankNames
 * @property {string[]} programNames
 * @property {string[]} groups of equally many programs
 * @property {string} note
 */
/** @typedef {{title: string, text: string}} SetupStep */
/**
 * @typedef {object} Offer
 * @property {string} name of the instrument's profile
 * @property {boolean} selectable whether performers may choose
 * @property {Scheme[]} schemes
 * @property {SetupStep[]} checklist
 */

const LAYOUTS = new Set(["grid", "list", "numbers"]);

/**
 * @param {any} body of GET /api/rooms/{room}/sounds; whatever is missing gets a harmless value
 * @returns {Offer}
 */
export function readOffer(body) {
  const schemes = list(body?.schemes ?? body?.sounds).map(readScheme);
  return {
    name: text(body?.name),
    selectable: body?.programs !== false,
    schemes: schemes.filter(({ id, layout }) => id !== "" && LAYOUTS.has(layout)),
    checklist: list(body?.checklist).map((step) => ({ title: text(step?.title), text: text(step?.text) })),
  };
}

/** @param {any} body @returns {Scheme} */
function readScheme(body) {
  return {
    id: text(body?.id),
    title: text(body?.title) || text(body?.id),
    layout: body?.layout,
    bankMsb: Number.isInteger(body?.bank_msb) ? body.bank_msb : null,
    banks: span(body?.banks),
    programs: span(body?.programs),
    bankTitle: text(body?.bank_title) || "Bank",
    programTitle: text(body?.program_title) || "Program",
    bankNames: list(body?.bank_names).map(text),
    programNames: list(body?.program_names).map(text),
    groups: list(body?.groups).map(text),
    note: text(body?.note),
  };
}

/** @param {string} scheme @param {number} bank @param {number} program */
export const soundId = (scheme, bank, program) => `${scheme}/${bank}/${program}`;

/**
 * The name of a sound. Where it has none, its numbers are said as people count them, from 1.
 *
 * @param {readonly Scheme[]} schemes
 * @param {string} id
 * @returns {string} the id itself if no scheme has it
 */
export function soundName(schemes, id) {
  const match = /^([^/]+)\/(\d{1,3})\/(\d{1,3})$/.exec(id);
  const scheme = schemes.find((one) => one.id === match?.[1]);
  if (!match || !scheme) return id;
  const [bank, program] = [Number(match[2]), Number(match[3])];
  const named = scheme.programNames[program - scheme.programs[0]];
  if (named) return named;
  const where = scheme.bankNames[bank - scheme.banks[0]] || `${scheme.bankTitle} ${bank + 1}`;
  const whose = scheme.layout === "grid" ? scheme.title + ", " : "";
  return `${whose}${where}, ${scheme.programTitle.toLowerCase()} ${program + 1}`;
}

/**
 * The programs of a list in its groups; if it has none, all are in one group without a name.
 *
 * @param {Scheme} scheme
 * @returns {{title: string, sounds: {id: string, name: string}[]}[]}
 */
export function groupsOf(scheme) {
  const [first, last] = scheme.programs;
  const size = Math.ceil((last - first + 1) / Math.max(1, scheme.groups.length));
  const titles = scheme.groups.length > 0 ? scheme.groups : [""];
  return titles.map((title, index) => ({
    title,
    sounds: scheme.programNames.slice(index * size, (index + 1) * size).map((name, at) => ({
      id: soundId(scheme.id, scheme.banks[0], first + index * size + at),
      name: name || `${scheme.programTitle} ${first + index * size + at + 1}`,
    })),
  }));
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value.slice(0, 256) : [];
}

/** @param {unknown} value @returns {[number, number]} */
function span(value) {
  const [first, last] = list(value);
  const good = Number.isInteger(first) && Number.isInteger(last) && first >= 0 && last >= first && last <= 127;
  return good ? [first, last] : [0, 0];
}
