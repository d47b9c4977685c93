"""The thin shell around rtmidi says what its system cannot carry."""

from __future__ import annotations

import pytest

from rtcserver.errors import InstrumentError
from rtcserver.midiport.backend import MAX_JACK_BYTES, Backend


class Output:
    """rtmidi's open output, which remembers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_message(self, message: bytes) -> None:
        self.sent.append(message)


def sysex(size: int) -> bytes:
    return b"\xf0" + bytes(size - 2) + b"\xf7"


def test_a_sysex_that_jack_cannot_carry_is_refused_with_a_sentence() -> None:
    backend = Backend("jack")
    output = backend._out = Output()
    backend.send(sysex(MAX_JACK_BYTES))
    with pytest.raises(
        InstrumentError, match="of 16,380 bytes was not sent: JACK carries 16,379 at most"
    ) as refused:
        backend.send(sysex(MAX_JACK_BYTES + 1))
    assert refused.value.code == "too_large"
    assert [len(message) for message in output.sent] == [16_379]


def test_other_systems_have_no_such_bound() -> None:
    backend = Backend("jack")
    backend.api = "alsa"
    output = backend._out = Output()
    backend.send(sysex(MAX_JACK_BYTES + 1))
    assert len(output.sent) == 1
