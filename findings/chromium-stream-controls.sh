#!/usr/bin/env bash
# A page that plays a live stream gets no media controls in Chromium, whatever it tells the Media Session.
#
# It sets metadata, handlers for play, pause and stop, and playbackState "playing", and plays a MediaStream of an RTCPeerConnection on
# an <audio> element that is heard: no player appears on the desktop's bus (MPRIS), so no media key, headset or lock screen reaches it.
# A silent recording of ten seconds that plays in a loop beside it brings controls with that very metadata, and the keys call the
# handlers. In content/browser/media/session a stream is a "one-shot" player, and a session with no other kind is not controllable.
#
# Seen with Chromium 156.0.8078.108: "stream alone: 0 players; with silence beside it: 1 player, Playing, handlers called: pause".
# Fails if the stream alone has a player, or silence brings none. Needs chromium, dbus and Python's playwright; takes ten seconds.
set -euo pipefail
folder="$(mktemp -d)"
trap 'kill "${bus:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cat >"$folder/bus.conf" <<'XML'
<busconfig><type>session</type><listen>unix:path=SOCKET</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
XML
sed -i "s#SOCKET#$folder/bus#" "$folder/bus.conf"
dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile 2>/dev/null &
bus=$!
export DBUS_SESSION_BUS_ADDRESS="unix:path=$folder/bus"
cat >"$folder/look.py" <<'PY'
import asyncio
import re
import subprocess

from playwright.async_api import async_playwright

PAGE = """<audio id=a></audio><script>
window.called = [];
for (const n of ["play", "pause", "stop"]) navigator.mediaSession.setActionHandler(n, () => called.push(n));
navigator.mediaSession.metadata = new MediaMetadata({title: "Live"});
navigator.mediaSession.playbackState = "playing";
async function stream() {
  const p = new RTCPeerConnection(), q = new RTCPeerConnection();
  p.onicecandidate = ({candidate}) => q.addIceCandidate(candidate);
  q.onicecandidate = ({candidate}) => p.addIceCandidate(candidate);
  const c = new AudioContext(), o = new OscillatorNode(c), d = c.createMediaStreamDestination();
  o.connect(d); o.start(); p.addTrack(d.stream.getTracks()[0], d.stream);
  const got = new Promise((done) => (q.ontrack = ({streams}) => done(streams[0])));
  await p.setLocalDescription(); await q.setRemoteDescription(p.localDescription);
  await q.setLocalDescription(); await p.setRemoteDescription(q.localDescription);
  a.srcObject = await got; window.kept = [p, q, c]; await a.play();
}
async function silence() {
  const bytes = new Uint8Array(44 + 80000).fill(128), view = new DataView(bytes.buffer);
  const text = (at, word) => [...word].forEach((l, i) => view.setUint8(at + i, l.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 80036, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, 8000, true); view.setUint32(28, 8000, true);
  view.setUint16(32, 1, true); view.setUint16(34, 8, true); text(36, "data"); view.setUint32(40, 80000, true);
  window.quiet = new Audio(URL.createObjectURL(new Blob([bytes], {type: "audio/wav"})));
  quiet.loop = true; await quiet.play();
}
</script>"""


def send(destination, path, method, *words):
    command = ["dbus-send", "--session", "--print-reply", f"--dest={destination}", path, method, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def players():
    said = send("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames")
    return re.findall(r'"(org\.mpris\.[^"]+)"', said)


async def main():
    async with async_playwright() as play:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = await browser.new_page()
        await page.route("http://localhost/", lambda route: route.fulfill(content_type="text/html", body=PAGE))
        await page.goto("http://localhost/")
        await page.evaluate("stream()")
        await asyncio.sleep(3)
        alone = players()
        await page.evaluate("silence()")
        await asyncio.sleep(2)
        beside = players()
        status = ""
        for player in beside:
            get = "org.freedesktop.DBus.Properties.Get"
            words = ("string:org.mpris.MediaPlayer2.Player", "string:PlaybackStatus")
            status = send(player, "/org/mpris/MediaPlayer2", get, *words).split('"')[1]
            send(player, "/org/mpris/MediaPlayer2", "org.mpris.MediaPlayer2.Player.PlayPause")
        await asyncio.sleep(1)
        called = await page.evaluate("called.join()")
        await browser.close()
    print(f"stream alone: {len(alone)} players; with silence beside it: {len(beside)} player, {status}, handlers called: {called}")
    raise SystemExit(0 if not alone and len(beside) == 1 and called == "pause" else 1)


asyncio.run(main())
PY
"${PYTHON:-python3}" "$folder/look.py"
