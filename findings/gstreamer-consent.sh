#!/usr/bin/env bash
# GStreamer's webrtcbin sends no consent checks: connectivity checks at its start, and none ever after.
#
# RFC 7675, section 5.1: an endpoint that sends on a pair asks for consent every 4 to 6 seconds with a STUN binding request.
# libnice sends binding indications instead, which ask for nothing. A server that takes a listener for gone
# without requests for some time cuts GStreamer off, while it receives and reports.
#
# Seen with GStreamer 1.22.0, libnice 0.1.21 and aiortc 1.16.0 as the peer, for 35 s:
#   GStreamer 1.22.0: connected; binding requests in the first 5 s: 4, from then on: 0
# Fails if any comes after five seconds, or none before. Needs Debian's gstreamer1.0-plugins-bad, gstreamer1.0-nice,
# gstreamer1.0-plugins-good, gir1.2-gst-plugins-bad-1.0 and python3-gi; takes a minute.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv peer
peer/bin/pip install --quiet --disable-pip-version-check aiortc==1.16.0
cat >player.py <<'PY'
import os

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

Gst.init(None)
pipeline, rtc = Gst.Pipeline.new(), Gst.ElementFactory.make("webrtcbin")
rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
pipeline.add(rtc)
caps = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"
rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))


def on_pad(_, pad):
    sink = Gst.ElementFactory.make("fakesink")
    pipeline.add(sink)
    sink.sync_state_with_parent()
    pad.link(sink.get_static_pad("sink"))


def on_offer(promise):
    reply = promise.get_reply()  # it owns the offer
    rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())


def on_gathering(*_):
    if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        with open("offer.tmp", "w") as file:
            file.write(rtc.get_property("local-description").sdp.as_text())
        os.rename("offer.tmp", "offer")


def look():
    if not os.path.exists("answer"):
        return True
    _, message = GstSdp.SDPMessage.new_from_text(open("answer").read())
    described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    rtc.emit("set-remote-description", described, Gst.Promise.new())
    return False


rtc.connect("pad-added", on_pad)
rtc.connect("notify::ice-gathering-state", on_gathering)
pipeline.set_state(Gst.State.PLAYING)
rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))
GLib.timeout_add(100, look)
print(Gst.version_string(), end=": ", flush=True)
GLib.MainLoop().run()
PY
cat >peer.py <<'PY'
import asyncio
import os
import sys
import time

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

came: list[float] = []
reply = aioice.ice.Connection.request_received


def request_received(self, *arguments, **more):
    came.append(time.monotonic())
    return reply(self, *arguments, **more)


aioice.ice.Connection.request_received = request_received


async def main() -> None:
    while not os.path.exists("offer"):
        await asyncio.sleep(0.1)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTrack(AudioStreamTrack())
    # So that aiortc answers passive, and GStreamer begins DTLS.
    offer = open("offer").read().replace("a=setup:actpass", "a=setup:active")
    await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    with open("answer.tmp", "w") as file:
        file.write(pc.localDescription.sdp)
    os.rename("answer.tmp", "answer")
    for _ in range(200):
        await asyncio.sleep(0.05)
        if pc.connectionState == "connected":
            break
    begin = time.monotonic()
    await asyncio.sleep(35)
    early = sum(at < begin + 5 for at in came)
    late = len(came) - early
    print(f"{pc.connectionState}; binding requests in the first 5 s: {early}, from then on: {late}", flush=True)
    os._exit(0 if pc.connectionState == "connected" and early > 0 and late == 0 else 1)


asyncio.run(main())
PY
/usr/bin/python3 player.py &
player=$!
peer/bin/python peer.py || { kill "$player"; echo "GStreamer behaves differently" >&2; exit 1; }
kill "$player"
