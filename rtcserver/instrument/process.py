"""The instrument process: one device, its encoders, their packets to every feed.

``python -m rtcserver.instrument.process FD``, where FD is the control socket. It imports
capture and encode, and nothing of the web. It waits for a missing device as long as it takes; but
when a device that was open delivers nothing any more, it ends: an unplugged device can hang
PortAudio for good, and only a new process is sure to see what is plugged in now.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections import deque
from typing import Any

from rtcserver.capture import loading
from rtcserver.capture.block import Block
from rtcserver.capture.ring import FLAG_LOST, FLAG_OVERFLOW, FLAG_RESTED, BlockRing
from rtcserver.children import child, control_socket
from rtcserver.children.control_socket import EXIT_DEPENDENCY
from rtcserver.children.lock_probe import LockProbe
from rtcserver.children.scheduling import steady
from rtcserver.clock import NS, monotonic_ns
from rtcserver.config.model import InstrumentConfig
from rtcserver.encode.encoding import own_encoding
from rtcserver.encode.packet import KIND_PCM, EncodedPacket
from rtcserver.encode.pcm import PcmPacker
from rtcserver.encode.pipeline import EncodePipeline
from rtcserver.encode.timeline import Anchor, Epoch
from rtcserver.errors import ConfigError, DependencyError, InstrumentError, ProcessError
from rtcserver.instrument.control import EXIT_STALLED, IDLE_STATUS_NS, STATUS_INTERVAL_NS, InstrumentStatus
from rtcserver.instrument.device import Device
from rtcserver.instrument.encoders import Encoders
from rtcserver.instrument.feeds import Feeds
from rtcserver.instrument.timings import snapshot

CLOSE_S = 2
"""How long closing the device may take in the end."""
PROGRESS_INTERVAL_NS = 250_000_000
"""How often the same thing is reported as loading."""
TIMINGS = 16_384
"""Durations that are kept of each kind: more than half a minute at 128 frames."""

IDLE_TURN_NS = NS // 2
"""How much of an instrument's sound is looked at in one turn while nobody reads."""

LOOK_NS = 50_000_000
"""How often the device is looked at for faults while its sound comes."""
PRIORITY = 20
"""Under SCHED_FIFO."""
SWITCH_S = 0.0002
"""How long one thread may hold the interpreter while another waits: a device's callback must not wait for an encoder."""


class InstrumentProcess:
    """Everything of the process; `run` returns its exit code."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        start, _ = control_socket.receive_start(sock)
        self._config = InstrumentConfig(**start["config"])
        self._anchor = Anchor(start["media_time"], start["at_ns"])
        self._feeds = Feeds()
        self._stopping = False
        self._encode_ns: deque[int] = deque(maxlen=TIMINGS)
        # What was wrong with the process before this one is still to be seen until the instrument sounds.
        self._status = InstrumentStatus(
            epoch=start["epoch"],
            bitrate_bps=self._config.bitrate_bps,
            error=start["error"],
            code=start["code"],
        )
        self._next_status_ns = 0
        self._lock_probe = LockProbe()
        self._device = Device(self._config)
        self._loading: str | None = None
        """What the instrument says it loads; no status goes out until that is over, as that would end the patience."""
        self._loading_ns = 0
        loading.listen(self._loads)
        self._tried = False
        """Whether this process has tried to open the device."""
        self._pipeline: EncodePipeline | None = None
        self._packer: PcmPacker | None = None
        self._latest: tuple[Epoch, int, int] | None = None
        """Of the latest block, until that has been noted: its epoch, its first frame, and when that was captured."""
        self._packets = self._blocks = False
        """Whether anybody reads packets, and PCM."""
        self._idle = True
        """Whether nobody reads what is captured."""
        self._device.rest(allowed=True)
        self._poll = select.epoll()
        self._poll.register(sock.fileno(), select.EPOLLIN)
        sock.setblocking(False)
        self._encoders: Encoders | None = None

    def run(self) -> int:
        """Serve until told to stop, the server is gone, or the device has died."""
        try:
            config = self._config
            self._encoders = Encoders(own_encoding(config.bitrate_bps, config.frame_samples))
            while not self._stopping:
                if not self._open():
                    self._wait(self._device.retry_ns)
                elif not self._capture():
                    return EXIT_STALLED
        except DependencyError as error:
            self._fault(str(error), "dependency")
            return EXIT_DEPENDENCY
        return 0

    # Opening

    def _open(self) -> bool:
        """Try to open the device; on failure the status says why."""
        device, status = self._device, self._status
        try:
            device.make()
            status.device = device.name
            if not self._tried:
                # The first try may load a large file, so the server is told to wait. Later tries are quick, and one that
                # hangs is to be noticed soon.
                control_socket.report_progress(self._sock, f"opening {device.name}")
            self._tried = True
            stream, mix = device.open(monotonic_ns())
        except (InstrumentError, ConfigError) as error:
            self._fault(str(error), getattr(error, "code", "config"))
            return False
        except DependencyError:
            raise
        except Exception as error:
            # What a driver or a library does that nobody foresaw is the room's error, not the end of its process.
            said = str(error) or "no reason given"
            self._fault(f"the instrument cannot be opened: {type(error).__name__}: {said}", "internal")
            return False
        assert device.ring is not None
        status.device, status.rate, status.channels = device.name, stream.rate, stream.channels
        status.blocksize, status.sample_format = stream.blocksize, stream.sample_format
        status.exact = mix.exact
        status.epoch += 1
        self._pipeline = None
        # Each wake-up counts by itself, so that nothing has to be read back.
        self._poll.register(device.ring.fd, select.EPOLLIN | select.EPOLLET)
        return True

    def _close(self) -> None:
        """Close the device, and take what is known of its sound out of the status."""
        if self._device.ring is not None:
            self._poll.unregister(self._device.ring.fd)
        self._device.close()
        self._pipeline = None

    def _loads(self, what: str, share: float | None) -> None:
        """Hand on what the instrument says of its loading. On any thread."""
        if self._status.state == "live":
            return
        now = monotonic_ns()
        self._device.loads(now)
        if what != self._loading or now - self._loading_ns >= PROGRESS_INTERVAL_NS:
            self._loading, self._loading_ns = what, now
            control_socket.report_progress(self._sock, what, share)

    def _live(self) -> None:
        """The first block has come: whatever was wrong is over."""
        status = self._status
        status.state, status.error, status.code = "live", None, None
        self._loading = None
        if self._device.source is not None:
            status.device = self._device.source.name
        self._next_status_ns = 0

    def _fault(self, error: str, code: str) -> None:
        status = self._status
        status.state, status.error, status.code = "silent", error, code
        self._loading = None
        self._next_status_ns = 0
        self._report(monotonic_ns())

    # Running

    def _wait(self, duration_ns: int) -> None:
        """Answer control messages for a while, with no device open."""
        end = monotonic_ns() + duration_ns
        while not self._stopping and (left := end - monotonic_ns()) > 0:
            for _, _ in self._poll.poll(min(left, STATUS_INTERVAL_NS) / NS):
                self._control()
            self._report(monotonic_ns())

    def _capture(self) -> bool:
        """Encode until stopped or until the instrument has failed by itself (True), or stalled (False)."""
        device, ring = self._device, self._device.ring
        assert ring is not None
        control_fd = self._sock.fileno()
        look_ns = 0
        while not self._stopping:
            idle, (wanted, then) = self._idle, self._wanted(ring)
            for fd, _ in self._poll.poll(0 if ring.want(wanted, then) else device.patience_s(idle=idle)):
                if fd == control_fd:
                    self._control()
            while (item := ring.read(wanted, punctual=idle)) is not None:
                block, flags, lost = item
                # What came before somebody read is old, and nobody's.
                self._block(block, flags, lost, pass_by=idle)
                device.heard(block.arrived_ns)
            now = monotonic_ns()
            if device.demo_ns != self._status.demo_ns:
                # Everybody's page is to show at once that it has begun, or has given way to somebody who plays.
                self._next_status_ns = 0
            if now < min(look_ns, self._next_status_ns):
                continue
            look_ns = now + LOOK_NS
            if (fault := device.fault(now)) is not None:
                self._close()
                self._fault(str(fault), fault.code)
                self._wait(device.retry_ns)
                return True
            if (stalled := device.stalled(now)) is not None:
                self._fault(stalled, "stalled")
                return False
            self._report(now)
        return True

    def _wanted(self, ring: BlockRing) -> tuple[int, int]:
        """How many blocks to wait for, and how many after those at least."""
        pipeline, stream = self._pipeline, ring.stream
        # Studio wants each block at once; otherwise it is enough to wake up for a whole packet.
        if pipeline is None or self._blocks:
            return 1, 1
        if self._packets:
            return pipeline.blocks_to_packets()
        return max(1, min(ring.slots // 2, IDLE_TURN_NS * stream.rate // (NS * stream.blocksize))), 1

    def _block(self, block: Block, flags: int, lost: int, *, pass_by: bool) -> None:
        counter, ring, mix = self._device.counter, self._device.ring, self._device.mix
        assert counter is not None
        assert ring is not None
        assert mix is not None
        first = counter.advance(
            block.frames,
            block.adc_ns,
            overflow=bool(flags & FLAG_OVERFLOW),
            lost_blocks=lost,
            blocksize=ring.stream.blocksize,
            certain=bool(flags & FLAG_LOST),
            rested=bool(flags & FLAG_RESTED),
        )
        if self._pipeline is None:
            self._note_time()
            epoch = Epoch.begin(self._status.epoch, self._anchor, block.adc_ns, ring.stream.rate)
            self._status.base = epoch.base
            assert self._encoders is not None
            self._pipeline = EncodePipeline(ring.stream, mix, epoch, self._encoders.runs)
            self._packer = PcmPacker(ring.stream, mix, epoch.number, self._config.studio_bits)
            self._live()
        pipeline = self._pipeline
        block.first_frame = first
        if self._blocks and not pass_by:
            self._deliver_pcm(block, pipeline.epoch)
        if self._packets and not pass_by:
            began = monotonic_ns()
            for packet in pipeline.push(block):
                self._feeds.deliver(packet.pack())
                took = monotonic_ns() - began
                self._encode_ns.append(took)
                self._status.encode_ns += took
        else:
            pipeline.pass_by(block)
        self._latest = pipeline.epoch, first, block.adc_ns

    def _note_time(self) -> None:
        """Say in the status, and remember for what comes next, when the latest block was captured."""
        if self._latest is not None:
            epoch, first, at_ns = self._latest
            self._latest = None
            self._anchor = Anchor(epoch.media_time(first), at_ns)
            self._status.media_time, self._status.at_ns = self._anchor.media_time, at_ns

    def _deliver_pcm(self, block: Block, epoch: Epoch) -> None:
        """The block's Studio payloads; before encoding, which would only make them wait."""
        assert self._packer is not None
        for first, frames, payload in self._packer.pack(block):
            start = epoch.media_time(first)
            duration = epoch.media_time(first + frames) - start
            packet = EncodedPacket(start, duration, block.arrived_ns, epoch.number, payload, KIND_PCM)
            self._feeds.deliver(packet.pack())

    # Talking

    def _report(self, now: int) -> None:
        if now < self._next_status_ns or self._loading is not None:
            return
        self._note_time()
        self._next_status_ns = now + (IDLE_STATUS_NS if self._idle else STATUS_INTERVAL_NS)
        status, ring, counter = self._status, self._device.ring, self._device.counter
        status.note, status.feed_dropped = self._device.note, self._feeds.dropped
        status.demo_ns = self._device.demo_ns
        if self._encoders is not None:
            status.encoded = self._encoders.own.encoded
            status.further, status.coded = self._encoders.names, self._packets
        if counter is not None and ring is not None:
            status.frames = counter.next_frame
            status.lost_frames = counter.lost_frames
            status.overflows = counter.overflows
            status.overruns = ring.overruns
            status.behind_blocks = ring.waiting
        if self._device.source is not None:
            status.resting = self._device.source.resting
            if status.resting:
                # Its frames follow the clock exactly, whether they are made or not.
                status.media_time, status.at_ns = self._anchor.media_at(now), now
            status.starved_frames = self._device.source.starved
            status.dropped_messages = self._device.source.dropped_messages
        if self._pipeline is not None:
            status.peak = list(self._pipeline.take_peak())
        with contextlib.suppress(BlockingIOError):
            self._send(status.to_message())

    def _send(self, message: dict[str, Any]) -> None:
        try:
            control_socket.send(self._sock, message)
        except BlockingIOError:
            raise
        except OSError:
            self._stopping = True

    def _control(self) -> None:
        while not self._stopping:
            try:
                received = control_socket.receive(self._sock)
            except BlockingIOError:
                return
            except OSError:
                received = None
            if received is None:
                # The server is gone, however it ended: so do we, at once.
                self._stopping = True
                return
            message, fds = received
            match message["type"]:
                case "add_feed":
                    self._feeds.add(fds[0])
                case "set_bitrate" if self._encoders is not None:
                    self._encoders.own.set_bitrate(int(message["bitrate_bps"]))
                    self._status.bitrate_bps = self._encoders.own.bitrate_bps
                case "encodings" if self._encoders is not None:
                    self._encoders.want(message["wanted"])
                case "midi" | "midi_release" | "midi_silence":
                    self._midi(message)
                case "read":
                    self._packets, self._blocks = bool(message["packets"]), bool(message["blocks"])
                    self._idle = not self._packets and not self._blocks
                    self._device.rest(allowed=self._idle)
                    self._next_status_ns = 0
                case "timings":
                    self._send(
                        snapshot(self._device, self._pipeline, self._encode_ns, self._lock_probe.values())
                    )
                    if message.get("reset"):
                        self._forget_timings()
                case "stop":
                    self._stopping = True
                case other:
                    raise ProcessError(f"unknown control message {other!r}")

    def _midi(self, message: dict[str, Any]) -> None:
        """Play on the embedded instrument; what performers cannot play (a sound card) ignores it."""
        source = self._device.source
        if source is None:
            return
        if message["type"] == "midi":
            for performer, data, at_ns in message["events"]:
                source.midi(bytes.fromhex(data), at_ns, performer)
        elif message["type"] == "midi_release":
            source.release(message["performer"])
        else:
            source.silence()

    def _forget_timings(self) -> None:
        self._encode_ns.clear()
        self._lock_probe.clear()
        if self._device.source is not None:
            self._device.source.forget_timings()

    def close(self) -> None:
        """Close the device. May hang in its driver: the caller must not rely on its return."""
        self._device.close()


def main() -> int:
    """Entry point of the process."""
    child.die_with_parent()
    child.print_without_errors()
    sock = socket.socket(fileno=int(sys.argv[1]))
    process = InstrumentProcess(sock)
    sys.setswitchinterval(SWITCH_S)
    steady(PRIORITY)
    code = process.run()
    if code == 0:
        # A driver that hangs must not keep the device: the default action of the alarm ends the process.
        signal.alarm(CLOSE_S)
        process.close()
    # A dead device's driver may hang in its clean-up at interpreter exit: end without it.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
