// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { transportState } from "../../../static/connection/whep.js";

test("ICE and DTLS are one state, with and without connectionState", () => {
  assert.equal(transportState("connected", "connecting"), "connecting");
  assert.equal(transportState("connected", "connected"), "connected");
  assert.equal(transportState("connected", "failed"), "failed");
  assert.equal(transportState("disconnected", "connected"), "disconnected");
  assert.equal(transportState("completed", undefined), "connected");
  assert.equal(transportState("checking", undefined), "connecting");
  assert.equal(transportState("closed", undefined), "closed");
  assert.equal(transportState("connected", "connected", "connected"), "connected");
  // The server said goodbye: for the connection as a whole, a closed DTLS transport still counts as connected.
  assert.equal(transportState("connected", "connected", "closed"), "closed");
});
