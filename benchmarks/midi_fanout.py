"""What MIDI and telemetry for many listeners cost the server process, in percent of a core.

A performer (headless client) plays 50 events a second; 200 listeners (the load generator's peers: real ICE, DTLS and
SRTP, and a small SCTP of their own that acknowledges every second packet, as browsers do) get them in Listen cadence,
ping every 2 s and send a browser-sized ``stats`` every second. The CPU time is the server process's (signaling,
SCTP, telemetry), by the kernel's account; capture, encoding and SRTP are other processes, given beside it.

JSON: ``listeners``, ``events_per_s`` as handled, ``messages_per_s`` and ``least_messages_per_s`` (of all listeners
together; of the one that got least, DATA chunks on ``midi``), ``stats_per_s``, ``core_pct`` (the server process),
``idle_core_pct`` (the same listeners with open channels, and nobody playing nor reporting), ``us_per_message``:
the difference over the messages of both directions, ``all_core_pct`` with the other processes.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import struct
import time
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.rig.common import MachineCpu, emit, process_cpu_s, say
from benchmarks.rig.outcome import LONG_S, main_of
from rtcserver.channel import announce
from rtcserver.channel.up.messages import Ping
from rtcserver.client.listener import Listener
from rtcserver.client.midi import MidiClient
from rtcserver.clock import monotonic_ns
from rtcserver.load import peer as load_peer
from rtcserver.load import sctp
from rtcserver.load.dtls import ClientContext
from rtcserver.load.peer import LoadPeer
from rtcserver.load.signaling import make
from tests.rig.perform import performer_token
from tests.rig.server import RtcServer

_STRING, _BINARY = 51, 53
_SACK_KIND = 3
_JOINING = 8
STATS = {
    "type": "stats",
    "buffer_ms": 41.25,
    "target_ms": 40.0,
    "concealed": 480,
    "silent_concealed": 0,
    "received": 48_000,
    "packets": 100,
    "lost": 0,
    "rtt_ms": 0.8,
    "clock_rtt_ms": 0.7,
    "latency_ms": 52.1,
    "hidden": 0,
}


class TwoChannels(sctp.DataChannelClient):
    """``midi`` on stream 0, unreliable, and ``telemetry`` on stream 2, reliable."""

    def __init__(self, tag: int, tsn: int) -> None:
        super().__init__(tag, tsn, "midi")
        self.notes = 0
        self._sequence = 0
        self._unacknowledged = 0

    def receive(self, packet: bytes) -> list[bytes]:
        """As the base's, but every second packet is acknowledged (RFC 9260, section 6.2)."""
        answers = super().receive(packet)
        if self.opened and len(packet) >= 28 and packet[12] == 0:
            if struct.unpack_from("!H", packet, 20)[0] == 0:
                self.notes += 1
            self._unacknowledged += 1
            if self._unacknowledged % 2:
                return [answer for answer in answers if answer[12] != _SACK_KIND]
        return answers

    def open_telemetry(self) -> bytes:
        """DATA_CHANNEL_OPEN: reliable, ordered."""
        label = b"telemetry"
        message = struct.pack("!BBHIHH", 3, 0, 256, 0, len(label), 0) + label
        return self._data(2, 50, message)

    def say(self, text: str) -> bytes:
        """JSON on ``telemetry``."""
        return self._data(2, _STRING, text.encode())

    def ping(self) -> bytes:
        """A ping on ``midi``."""
        return self._data(0, _BINARY, Ping(monotonic_ns() // 1000).pack(), unordered=True)

    def _data(self, stream: int, protocol: int, data: bytes, *, unordered: bool = False) -> bytes:
        self._tsn = (self._tsn + 1) & 0xFFFF_FFFF
        sequence = 0
        if not unordered:
            sequence, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFF
        head = struct.pack("!IHHI", self._tsn, stream, sequence, protocol)
        return sctp._packet(self._peer_tag, sctp._chunk(0, 7 if unordered else 3, head + data))


class Audience:
    """Listeners of one process, on its event loop."""

    def __init__(self, url: str, count: int) -> None:
        self._url, self._count = url, count
        self.peers: list[tuple[LoadPeer, TwoChannels]] = []
        self.sent = 0
        self.reporting = False

    async def run(self, pipe: Connection) -> None:
        """Join, then obey: ``report``, ``counts``, ``quit``."""
        signaling = make("rtcserver.load.signaling:WhepSignaling", self._url)
        context = ClientContext()
        waiting = asyncio.Semaphore(_JOINING)

        async def join() -> None:
            async with waiting:
                one = LoadPeer(context, datachannel=True)
                await one.join(signaling, 30)
                channels = one._sctp
                assert isinstance(channels, TwoChannels)
                assert one.sock is not None
                asyncio.get_running_loop().add_reader(one.sock.fileno(), one._read)
                one._send_sctp(channels.open_telemetry())
                one._send_sctp(channels.say(announce.pack("hello", {"version": 1})))
                self.peers.append((one, channels))

        await asyncio.gather(*(join() for _ in range(self._count)))
        tasks = [asyncio.ensure_future(self._live(*peer)) for peer in self.peers]
        pipe.send("joined")
        while True:
            command = await asyncio.to_thread(pipe.recv)
            if command == "report":
                self.reporting = True
            elif command == "counts":
                pipe.send(([channels.notes for _, channels in self.peers], self.sent))
            else:
                break
        for task in tasks:
            task.cancel()
        for one, _ in self.peers:
            await one.leave()
        await signaling.shut_down()

    async def _live(self, one: LoadPeer, channels: TwoChannels) -> None:
        """Statistics each second, a ping and a check for consent each other one."""
        await asyncio.sleep(random.random())
        text = announce.pack("stats", {key: value for key, value in STATS.items() if key != "type"})
        number = 0
        while True:
            number += 1
            if self.reporting:
                one._send_sctp(channels.say(text))
                self.sent += 1
            if number % 2:
                one._send_sctp(channels.ping())
                one.check()
            await asyncio.sleep(1)


def audience(url: str, count: int, pipe: Connection) -> None:
    """The process of the listeners."""
    # The one place that makes them.
    setattr(load_peer, "DataChannelClient", TwoChannels)  # noqa: B010
    asyncio.run(Audience(url, count).run(pipe))


async def perform(url: str, token: str, events_per_s: float, seconds: float) -> int:
    """Play; returns how many events went out."""
    midi = MidiClient(token=token)
    async with Listener(url, channels=midi, keep_s=1):
        await midi.wait_welcome(30)
        began = monotonic_ns()
        number = 0
        while (elapsed := (monotonic_ns() - began) / 1e9) < seconds:
            while number < elapsed * events_per_s:
                midi.push(bytes((0x80 if number % 2 else 0x90, 48 + number // 2 % 36, 80)))
                number += 1
            await asyncio.sleep(0.005)
        if number % 2:
            midi.push(bytes((0x80, 48 + number // 2 % 36, 80)))
        await asyncio.sleep(0.2)
        return number


def performer(url: str, token: str, events_per_s: float, seconds: float) -> None:
    """The process of the performer."""
    asyncio.run(perform(url, token, events_per_s, seconds))


def played(server: RtcServer) -> int:
    """Events that the server has handled, by its own metrics."""
    import urllib.request

    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:
        text = response.read().decode()
    return round(
        sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith("rtcserver_midi_events") and 'event="events"' in line
        )
    )


def measure(listeners: int, events_per_s: float, seconds: float) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    with RtcServer(
        instrument="fluidsynth", demo="false", frame_ms=20, max_listeners=listeners + 10
    ) as server:
        server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
        token = performer_token(server)
        ours, theirs = spawn.Pipe()
        crowd = spawn.Process(target=audience, args=(server.room_url, listeners, theirs), daemon=True)
        crowd.start()
        if not ours.poll(120) or ours.recv() != "joined":
            raise RuntimeError("the listeners could not all join")
        say(f"midi_fanout: {listeners} have joined; idle …")
        time.sleep(2)
        _, idle = _window(server, ours, seconds / 2)
        ours.send("report")
        playing = spawn.Process(
            target=performer, args=(server.room_url, token, events_per_s, seconds + 6), daemon=True
        )
        playing.start()
        time.sleep(4)
        say("midi_fanout: playing …")
        events = played(server)
        rates, busy = _window(server, ours, seconds)
        events = played(server) - events
        playing.join(20)
        ours.send("quit")
        crowd.join(20)
        if crowd.is_alive():
            crowd.kill()
    per_message = (busy["core"] - idle["core"]) / max(1.0, rates["messages"] + rates["stats"])
    return {
        "listeners": listeners,
        "events_per_s": round(events / busy["seconds"], 1),
        "messages_per_s": round(rates["messages"], 1),
        "least_messages_per_s": round(rates["least"], 2),
        "stats_per_s": round(rates["stats"], 1),
        "core_pct": round(100 * busy["core"], 1),
        "idle_core_pct": round(100 * idle["core"], 1),
        "us_per_message": round(per_message * 1e6, 1),
        "all_core_pct": round(100 * busy["all"], 1),
    }


def _window(server: RtcServer, pipe: Connection, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Rates of messages, and CPU in cores, over some seconds."""
    pipe.send("counts")
    before, sent = pipe.recv()
    own, everything, began = process_cpu_s(server.pid), server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    own, everything = process_cpu_s(server.pid) - own, server.cpu_s() - everything
    pipe.send("counts")
    after, sent_after = pipe.recv()
    grown = [now - then for now, then in zip(after, before, strict=True)]
    rates = {
        "messages": sum(grown) / took,
        "least": min(grown) / took,
        "stats": (sent_after - sent) / took,
    }
    return rates, {"core": own / took, "all": everything / took, "seconds": took}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--events", type=float, default=50, help="a second (default 50)")
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    if args.listeners < 1 or not 0 < args.events <= 1000 or args.seconds < 2:
        parser.error("allowed are --listeners from 1, --events up to 1000, --seconds from 2")
    machine = MachineCpu.now()
    result = measure(args.listeners, args.events, args.seconds)
    emit({"benchmark": "midi_fanout", **result, "machine_busy_pct": machine.busy_pct(MachineCpu.now())})
    return 0


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
