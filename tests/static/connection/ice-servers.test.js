// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { readLinks } from "../../../static/connection/ice-servers.js";

test("the servers are read as RFC 9725 shows them, also several in one header", () => {
  const header =
    '<stun:stun.example.net>; rel="ice-server", ' +
    '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="1700000000:ab"; credential="a+b/c="; credential-type="password", ' +
    '<turns:[2001:db8::1]:5349?transport=tcp>;rel=ice-server;username=u;credential=p;credential-type=password';
  assert.deepEqual(readLinks(header), [
    { urls: "stun:stun.example.net" },
    { urls: "turn:turn.example.net?transport=udp", username: "1700000000:ab", credential: "a+b/c=" },
    { urls: "turns:[2001:db8::1]:5349?transport=tcp", username: "u", credential: "p" },
  ]);
});

test("commas, semicolons and quotation marks of a password end nothing", () => {
  const header = '<turn:a>; rel="ice-server"; username="x, <turn:evil>; rel=ice-server"; credential="p\\"q\\\\;,r"';
  assert.deepEqual(readLinks(header), [{ urls: "turn:a", username: "x, <turn:evil>; rel=ice-server", credential: 'p"q\\;,r' }]);
});

test("other relations and what is none are passed over", () => {
  assert.deepEqual(readLinks(""), []);
  assert.deepEqual(readLinks("nonsense; rel=ice-server"), []);
  assert.deepEqual(readLinks('</style.css>; rel="preload", <stun:b>; REL="ICE-SERVER"'), [{ urls: "stun:b" }]);
  assert.deepEqual(readLinks('<turn:c>; rel="ice-server"; username="alone"'), [{ urls: "turn:c" }]);
});
