"""GStreamer's webrtcbin as a listener: ``/usr/bin/python3 gstreamer.py WHEP_URL SECONDS PCM_FILE``.

ICE is libnice's, DTLS and SRTP are GStreamer's, all in C; this only connects them. It runs in Debian's own
Python, which has the bindings. The decoded sound goes to PCM_FILE (48 kHz, stereo, int16), and what was
said and received to stdout as one JSON object.
"""

import json
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PAYLOAD_TYPE = 97
FRAME_BYTES = 4


class Client:
    def __init__(self, url: str, seconds: float, pcm_file: str) -> None:
        self.url = url
        self.seconds = seconds
        self.wanted = int(seconds * 48_000) * FRAME_BYTES
        self.pcm = open(pcm_file, "wb")  # noqa: SIM115, PTH123 - closed by the end of the process
        self.said = {"offer": "", "answer": "", "status": 0, "caps": ""}
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new()
        self.rtc = Gst.ElementFactory.make("webrtcbin")
        self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.rtc.set_property("latency", 50)
        self.pipeline.add(self.rtc)
        caps = f"application/x-rtp,media=audio,encoding-name=OPUS,payload={PAYLOAD_TYPE},clock-rate=48000"
        self.rtc.emit(
            "add-transceiver",
            GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
            Gst.Caps.from_string(f"{caps},encoding-params=(string)2,stereo=(string)1"),
        )
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda bus, message: self.fail(message.parse_error()))

    def run(self) -> int:
        self.pipeline.set_state(Gst.State.PLAYING)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))
        GLib.timeout_add_seconds(20 + int(self.seconds), self.fail, "nothing in time")
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        self.pcm.close()
        print(json.dumps(self.said))
        return 0 if self.wanted <= 0 else 1

    def fail(self, *reason: object) -> bool:
        print(reason, file=sys.stderr)
        self.loop.quit()
        return False

    def on_offer(self, promise: "Gst.Promise") -> None:
        reply = promise.get_reply()  # it owns the offer
        self.rtc.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathering(self, *_: object) -> None:
        if self.rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.exchange)

    def exchange(self) -> bool:
        offer = self.rtc.get_property("local-description").sdp.as_text()
        headers = {"Content-Type": "application/sdp", "User-Agent": Gst.version_string()}
        request = urllib.request.Request(self.url, offer.encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer, status = response.read().decode(), response.status
            self.session = urllib.parse.urljoin(self.url, response.headers["Location"])
        self.said |= {"offer": offer, "answer": answer, "status": status}
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.rtc.emit("set-remote-description", described, Gst.Promise.new())
        return False

    def on_pad(self, rtc: "Gst.Element", pad: "Gst.Pad") -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        self.said["caps"] = pad.get_current_caps().to_string()
        chain = "rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=2,rate=48000"
        decoder = Gst.parse_bin_from_description(
            f"{chain} ! appsink name=out sync=false emit-signals=1", True
        )
        self.pipeline.add(decoder)
        decoder.get_by_name("out").connect("new-sample", self.on_sample)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def on_sample(self, sink: "Gst.Element") -> "Gst.FlowReturn":
        buffer = sink.emit("pull-sample").get_buffer()
        data = buffer.extract_dup(0, buffer.get_size())
        if self.wanted > 0:
            self.pcm.write(data)
            self.wanted -= len(data)
            if self.wanted <= 0:
                GLib.idle_add(self.leave)
        return Gst.FlowReturn.OK

    def leave(self) -> bool:
        request = urllib.request.Request(self.session, method="DELETE")
        with urllib.request.urlopen(request, timeout=10) as response:
            self.said["left"] = response.status
        GLib.timeout_add_seconds(3 if self.seconds > 10 else 0, self.end)
        return False

    def end(self) -> bool:
        state = self.rtc.get_property("connection-state")
        self.said["noticed"] = state != GstWebRTC.WebRTCPeerConnectionState.CONNECTED
        self.loop.quit()
        return False


if __name__ == "__main__":
    Gst.init(None)
    sys.exit(Client(sys.argv[1], float(sys.argv[2]), sys.argv[3]).run())
