// @ts-check
/** The page's folders: who may import whom, what is pure, how long a module gets. As `tests/test_architecture.py` for Python. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../static", import.meta.url));
const MAX_LINES = 420;

/**
 * What each folder imports besides itself, types included: exactly the edges that exist.
 *
 * @type {Record<string, string[]>}
 */
const IMPORTS = {
  channel: [],
  words: [],
  midi: ["channel", "words"],
  connection: ["channel", "midi", "words"],
  listen: ["connection"],
  "studio/engine": [],
  studio: ["channel", "connection", "listen", "studio/engine", "words"],
  ui: ["channel", "connection", "listen", "midi", "studio", "words"],
  stage: ["channel", "connection", "listen", "midi", "ui", "words"],
  page: ["connection", "desk", "listen", "stage", "studio", "ui", "words"],
  desk: ["connection", "listen", "stage", "ui", "words"],
  check: ["connection", "listen", "ui", "words"],
  embed: ["connection", "listen", "ui", "words"],
};

/** Folders whose modules only compute: bytes, events and times go in, values come out. */
const PURE = ["channel", "midi"];
const IMPURE = /\b(performance\.|Date\.|Math\.random|setTimeout|setInterval|fetch\(|document\.|window\.|localStorage|sessionStorage|navigator\.)/;

/** Without comments. @param {string} text */
const codeOf = (text) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

/** Modules of static/, as "folder/name.js", with their text. */
const modules = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".js"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

/** @param {string} path */
const folderOf = (path) => dirname(path);

/** The modules that one imports, by statement, in a type, or as a worker or worklet. @param {{path: string, text: string}} module */
function importsOf({ path, text }) {
  const found = [...text.matchAll(/(?:\bfrom |\bimport |\bimport\(|new URL\()"([^"]+\.js)"/g)].map(([, name = ""]) => name);
  return found.map((name) => relative(ROOT, resolve(ROOT, dirname(path), name)));
}

test("every module lies in a folder of the table", () => {
  assert.deepEqual([...new Set(modules.map(({ path }) => folderOf(path)))].sort(), Object.keys(IMPORTS).sort());
});

test("a folder imports from exactly those that the table names", () => {
  for (const [folder, allowed] of Object.entries(IMPORTS)) {
    const edges = modules.filter(({ path }) => folderOf(path) === folder).flatMap((module) => importsOf(module).map(folderOf));
    const found = [...new Set(edges)].filter((one) => one !== folder).sort();
    assert.deepEqual(found, [...allowed].sort(), folder);
  }
});

test("the folders have an order: no circles", () => {
  /** @type {string[]} */
  const order = [];
  const waiting = new Set(Object.keys(IMPORTS));
  while (waiting.size > 0) {
    const ready = [...waiting].find((folder) => IMPORTS[folder]?.every((one) => order.includes(one)));
    assert.ok(ready, `a circle among ${[...waiting]}`);
    order.push(ready);
    waiting.delete(ready);
  }
});

test("every import leads to a module", () => {
  const paths = new Set(modules.map(({ path }) => path));
  for (const module of modules) {
    for (const target of importsOf(module)) assert.ok(paths.has(target), `${module.path} imports ${target}`);
  }
});

/** Where the server serves each page; a room's page lies one folder down. */
const PAGES = { "index.html": "/", "room.html": "/r/main", "trust.html": "/trust", "check.html": "/check" };

test("what a page loads is there, at whatever prefix a proxy publishes the server", () => {
  for (const [page, address] of Object.entries(PAGES)) {
    const text = readFileSync(join(ROOT, page), "utf8");
    const links = [...text.matchAll(/\b(?:src|href)="([^"#]+)/g)].map(([, link = ""]) => link);
    assert.ok(links.length > 3, page);
    for (const link of links) {
      const { pathname } = new URL(link, `http://host/montage${address}`);
      assert.ok(pathname.startsWith("/montage/"), `${page}: ${link}`);
      const path = pathname.slice("/montage/".length);
      if (path.startsWith("static/")) readFileSync(join(ROOT, "..", path));
      else assert.ok(["", "app.webmanifest", "ca.pem", "check"].includes(path), `${page}: ${link}`);
    }
  }
});

test("no script or style names an address from the host's root", () => {
  const styles = readdirSync(join(ROOT, "style")).map((name) => ({ path: `style/${name}`, text: readFileSync(join(ROOT, "style", name), "utf8") }));
  for (const { path, text } of [...modules, ...styles]) assert.doesNotMatch(codeOf(text), /["'`(]\/(?:static|api|r|trust|ca\.pem)\b/, path);
});

test("pure folders read no clock and touch nothing outside", () => {
  for (const { path, text } of modules) {
    if (!PURE.includes(folderOf(path))) continue;
    assert.equal(IMPURE.exec(codeOf(text))?.[0], undefined, path);
  }
});

test("a session has one media clock: only the link of its channels makes one, and sends its pings", () => {
  const makers = modules.filter(({ text }) => /new MediaClock\b|\.ping\(/.test(text)).map(({ path }) => path);
  assert.deepEqual(makers, ["connection/link.js"]);
});

test("a module is one thing", () => {
  // A translation is a list, one line for each text.
  for (const { path, text } of modules.filter(({ path }) => !/^words\/[a-z]{2}\.js$/.test(path))) assert.ok(text.split("\n").length <= MAX_LINES, path);
});

test("types are checked in every module", () => {
  for (const { path, text } of modules) assert.ok(text.startsWith("// @ts-check\n"), path);
});
