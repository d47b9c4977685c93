import assert from "node:assert/strict";
import { test } from "node:test";

import { mediaPath, networkKind, selectedPair } from "../../../static/listen/path.js";

/** @param {object} local what the browser says of its own candidate */
const chromium = (local) => [
  { type: "transport", id: "T", selectedCandidatePairId: "P2" },
  { type: "candidate-pair", id: "P1", nominated: true, state: "succeeded", localCandidateId: "L1" },
  { type: "candidate-pair", id: "P2", nominated: true, state: "succeeded", localCandidateId: "L2" },
  { type: "local-candidate", id: "L1", candidateType: "host", protocol: "udp" },
  { type: "local-candidate", id: "L2", ...local },
];

test("the selected pair's own candidate tells the way", () => {
  assert.equal(mediaPath(chromium({ candidateType: "host", protocol: "tcp" })), "tcp");
  assert.equal(mediaPath(chromium({ candidateType: "prflx", protocol: "udp" })), "udp");
});

test("a relay is one whatever its protocol", () => {
  assert.equal(mediaPath(chromium({ candidateType: "relay", protocol: "udp", relayProtocol: "tcp" })), "relay");
});

test("Firefox marks the pair, and names no transport", () => {
  const stats = [
    { type: "candidate-pair", id: "P1", nominated: false, state: "failed", localCandidateId: "L1" },
    { type: "candidate-pair", id: "P2", selected: true, localCandidateId: "L2" },
    { type: "local-candidate", id: "L1", candidateType: "host", protocol: "udp" },
    { type: "local-candidate", id: "L2", candidateType: "host", protocol: "tcp" },
  ];
  assert.equal(selectedPair(stats)?.id, "P2");
  assert.equal(mediaPath(stats), "tcp");
});

test("nothing is said while no pair is selected, or where the browser does not say", () => {
  assert.equal(mediaPath([]), null);
  assert.equal(mediaPath([{ type: "candidate-pair", id: "P", state: "in-progress", localCandidateId: "L" }]), null);
  assert.equal(mediaPath(chromium({ candidateType: "host" })), null);
  assert.equal(mediaPath(chromium({ candidateType: "host", protocol: "sctp" })), null);
});

test("the kind of network is told where the browser tells it", () => {
  const of = (/** @type {object} */ local) => networkKind(chromium({ candidateType: "host", protocol: "udp", ...local }));
  assert.equal(of({ networkType: "wifi" }), "wifi");
  assert.equal(of({ networkType: "ethernet" }), "cable");
  assert.equal(of({ networkType: "cellular" }), "mobile");
  assert.equal(of({ networkType: "unknown" }), "other");
  assert.equal(of({}), "other");
  assert.equal(networkKind([]), "other");
});
