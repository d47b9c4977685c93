async (url) => {
  // A listener with its peer connection in reach, for tests of what the page does not show: window.probe.
  // One function, evaluated in Chromium or Firefox with the room's WHEP URL; it settles when it is connected.
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const audio = document.body.appendChild(Object.assign(document.createElement("audio"), { id: "probe" }));
  pc.ontrack = ({ streams }) => {
    audio.srcObject = streams[0];
    audio.play();
  };
  pc.addTransceiver("audio", { direction: "recvonly" });

  const gathered = () =>
    new Promise((done) => {
      const look = () => pc.iceGatheringState === "complete" && done();
      pc.onicegatheringstatechange = look;
      look();
    });
  const stereo = (sdp) =>
    sdp.includes("stereo=1") ? sdp : sdp.replace(/^a=rtpmap:(\d+) opus\/48000\/2\r\na=fmtp:\d+ /im, "$&stereo=1;");
  const line = (sdp, name) => new RegExp(`^a=${name}:(.*?)\\r?$`, "m").exec(sdp)[1];

  await pc.setLocalDescription({ type: "offer", sdp: stereo((await pc.createOffer()).sdp) });
  await gathered();
  const headers = { "Content-Type": "application/sdp" };
  const response = await fetch(url, { method: "POST", headers, body: stereo(pc.localDescription.sdp) });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status}: ${answer}`);
  const session = new URL(response.headers.get("Location"), response.url).href;
  let etag = response.headers.get("ETag");
  await pc.setRemoteDescription({ type: "answer", sdp: answer });

  window.probe = {
    answer,
    async stats() {
      const all = [...(await pc.getStats()).values()];
      const of = (type) => all.find((one) => one.type === type && (one.kind ?? "audio") === "audio") ?? {};
      const inbound = of("inbound-rtp");
      const codec = all.find((one) => one.id === inbound.codecId) ?? {};
      const pair = all.find((one) => one.id === of("transport").selectedCandidatePairId || one.selected) ?? {};
      const remote = all.find((one) => one.id === pair.remoteCandidateId) ?? {};
      return {
        inbound: { ...inbound },
        packets: inbound.packetsReceived ?? 0,
        lost: inbound.packetsLost ?? 0,
        payloadType: codec.payloadType,
        mimeType: codec.mimeType,
        channels: codec.channels,
        remote: `${remote.address}:${remote.port}`,
        localUfrag: line(pc.localDescription.sdp, "ice-ufrag"),
        remoteUfrag: line(pc.currentRemoteDescription.sdp, "ice-ufrag"),
        pairChecks: pair.requestsSent,
        ice: pc.iceConnectionState,
        dtls: of("transport").dtlsState,
      };
    },
    /** ICE restart by PATCH (RFC 9725, section 4.4.3). Returns what the server says. */
    async restart() {
      const offer = await pc.createOffer({ iceRestart: true });
      await pc.setLocalDescription({ type: "offer", sdp: stereo(offer.sdp) });
      await gathered();
      const mine = pc.localDescription.sdp;
      const candidates = mine.match(/^a=candidate:.*\r\n/gm) ?? [];
      const body =
        `a=ice-ufrag:${line(mine, "ice-ufrag")}\r\na=ice-pwd:${line(mine, "ice-pwd")}\r\n` +
        `m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:${line(mine, "mid")}\r\n${candidates.join("")}a=end-of-candidates\r\n`;
      const headers = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag };
      const patched = await fetch(session, { method: "PATCH", headers, body });
      const fragment = await patched.text();
      if (patched.status !== 200) return { status: patched.status, fragment };
      const former = etag;
      etag = patched.headers.get("ETag");
      let sdp = pc.currentRemoteDescription.sdp;
      for (const name of ["ice-ufrag", "ice-pwd"]) {
        sdp = sdp.replaceAll(new RegExp(`^a=${name}:.*?\\r$`, "gm"), `a=${name}:${line(fragment, name)}\r`);
      }
      await pc.setRemoteDescription({ type: "answer", sdp });
      return { status: 200, fragment, etags: [former, etag] };
    },
    async leave() {
      const { status } = await fetch(session, { method: "DELETE" });
      pc.close();
      return status;
    },
  };
  while (pc.connectionState !== "connected") {
    if (pc.connectionState === "failed") throw new Error("the connection failed");
    await new Promise((done) => setTimeout(done, 20));
  }
}
