"""A MIDI instrument on JACK that writes down what it gets and when, and has keys of its own."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

import jack

from rtcserver.midi.parser import StreamParser
from tests.midi.instrument import ModelInstrument
from tests.rig.jack import JackServer
from tests.rig.process import wait_until


class Got(NamedTuple):
    """A message, and the monotonic ns at which JACK's period with it began."""

    message: bytes
    at_ns: int


class JackInstrument:
    """A JACK client `name` with the ports ``in`` and ``out``."""

    def __init__(self, server: JackServer, name: str = "MONTAGE") -> None:
        self.name = name
        self.got: deque[Got] = deque(maxlen=10_000)
        self.played_ns: deque[int] = deque(maxlen=1000)
        self.closed = False
        self._to_play: deque[bytes] = deque()
        self._parser = StreamParser()
        self._client = jack.Client(name, servername=server.name, no_start_server=True)
        self._in = self._client.midi_inports.register("in")
        self._out = self._client.midi_outports.register("out")
        self._client.set_process_callback(self._process)
        self._client.activate()

    def __enter__(self) -> JackInstrument:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unplug it. Idempotent."""
        if not self.closed:
            self.closed = True
            self._client.deactivate(ignore_errors=True)
            self._client.close(ignore_errors=True)

    def keys(self, *messages: bytes) -> None:
        """Play on the instrument itself."""
        self._to_play.extend(messages)

    def messages(self) -> list[bytes]:
        return [got.message for got in list(self.got)]

    def model(self) -> ModelInstrument:
        """What it sounds like now."""
        model = ModelInstrument()
        model.play([message for message in self.messages() if message[0] < 0xF0])
        return model

    def wait_for(self, message: bytes, count: int = 1, timeout_s: float = 10) -> None:
        """Until `message` has come `count` times."""
        wait_until(lambda: self.messages().count(message) >= count, f"{message.hex(' ')}", timeout_s)

    def _process(self, frames: int) -> None:
        now = time.monotonic_ns()
        for _, data in self._in.incoming_midi_events():
            for message in self._parser.feed(bytes(data)):
                self.got.append(Got(message, now))
        self._out.clear_buffer()
        while self._to_play:
            self._out.write_midi_event(0, self._to_play.popleft())
            self.played_ns.append(now)
