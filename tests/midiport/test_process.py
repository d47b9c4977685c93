"""The port process on real JACK MIDI ports: times, owners, replugging, and death in every way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from rtcserver.clock import monotonic_ns
from rtcserver.midi import message as m
from rtcserver.midi import profile_file
from rtcserver.midi.merge import release_everything
from rtcserver.midi.performers import ROOM
from rtcserver.midi.profile import PortRules
from rtcserver.midiport.control import PortConfig
from rtcserver.midiport.supervisor import MidiPort
from tests.midiport.jack_instrument import JackInstrument
from tests.rig.jack import JackServer
from tests.rig.process import REPOSITORY, is_gone, wait_until

MS = 1_000_000
ANNA, BEN = 3, 4
RULES = PortRules(contains=("MONTAGE",))
PERIOD = 256
START = release_everything(range(1))


@pytest.fixture(scope="module")
def jack_midi() -> Iterator[JackServer]:
    """JACK hands MIDI on at the beginning of a period, which blurs all times by one.

    A client that misses a period misses its messages: periods are long, so that a busy machine loses none.
    """
    with JackServer(rate=48_000, blocksize=PERIOD) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(jack_midi: JackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port process finds the rig's server by it."""
    for key, value in jack_midi.variables.items():
        monkeypatch.setenv(key, value)


def config(**changes: object) -> PortConfig:
    values: dict[str, object] = {"api": "jack", "rules": RULES, "channels": (0,), **changes}
    return PortConfig(**values)  # type: ignore[arg-type]  # values of mixed types


async def until(ready: Callable[[], bool], what: str, timeout_s: float = 10) -> None:
    deadline = monotonic_ns() + timeout_s * 1000 * MS
    while not ready():
        assert monotonic_ns() < deadline, what
        await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(settings: PortConfig) -> AsyncIterator[MidiPort]:
    """A port whose instrument is there."""
    port = MidiPort("test", settings)
    await port.start()
    try:
        await until(lambda: port.status.state == "live", "the port opens")
        yield port
    finally:
        await port.close()


async def test_what_is_sent_arrives_once_and_the_start_silences_the_instrument(jack_midi: JackServer) -> None:
    sysex = b"\xf0\x43" + bytes(range(100)) * 5 + b"\xf7"
    with JackInstrument(jack_midi) as montage:
        async with opened(config()) as port:
            port.play([(ANNA, m.note_on(0, 60, 90), None)])
            port.play([(ROOM, sysex, None)])
            port.play([(ANNA, m.note_off(0, 60), None)])
            await until(lambda: m.note_off(0, 60) in montage.messages(), "the note-off arrives")
            assert port.status.output == "MONTAGE:in"
        expected = [*START, m.note_on(0, 60, 90), sysex, m.note_off(0, 60)]
        assert montage.messages() == expected
        assert port.pid is None


async def test_scheduled_messages_leave_on_time_and_in_order(jack_midi: JackServer) -> None:
    with JackInstrument(jack_midi) as montage:
        async with opened(config()) as port:
            await until(lambda: bool(port.status.input), "the input opens")
            begin = monotonic_ns() + 60 * MS
            due = [begin + number * 7_300_000 for number in range(100)]
            # Handed over in another order than they are due.
            for first in (1, 0):
                port.play([(ANNA, m.control(0, 20, n), due[n]) for n in range(first, 100, 2)])
            await until(lambda: m.control(0, 20, 99) in montage.messages(), "the last one arrives")
            await until(lambda: port.status.late_max_ns > 0, "a report about it")
    got = [g for g in montage.got if g.message[1] == 20]
    assert [g.message[2] for g in got] == list(range(100))
    period = PERIOD * 1_000_000_000 // 48_000
    lateness = [g.at_ns - at for g, at in zip(got, due, strict=True)]
    # Never before its time, but for a period that had begun already.
    assert min(lateness) > -2 * period
    # Deadlines are absolute: lateness does not add up.
    assert abs(sorted(lateness[50:])[25] - sorted(lateness[:50])[25]) < period


async def test_a_release_ends_ones_own_notes_and_what_is_scheduled(jack_midi: JackServer) -> None:
    with JackInstrument(jack_midi) as montage:
        async with opened(config()) as port:
            for performer, key in ((ANNA, 60), (ANNA, 64), (BEN, 64), (BEN, 67)):
                port.play([(performer, m.note_on(0, key, 90), None)])
            port.play([(ANNA, m.note_on(0, 72, 90), monotonic_ns() + 300 * MS)])
            port.play([(BEN, m.note_off(0, 67), monotonic_ns() + 300 * MS)])
            port.release(ANNA)
            await until(lambda: m.note_off(0, 67) in montage.messages(), "Ben's note-off")
            assert montage.model().hanging == [(0, 64)]
            assert m.note_on(0, 72, 90) not in montage.messages()
            await until(lambda: port.status.cancelled == 1, "it is counted")
            port.silence()
            montage.wait_for(m.control(0, m.ALL_SOUND_OFF, 0), 2)
            assert montage.model().hanging == []


async def test_the_keys_are_heard_and_never_echoed(jack_midi: JackServer) -> None:
    with JackInstrument(jack_midi) as montage:
        async with opened(config()) as port:
            await until(lambda: port.status.input == "MONTAGE:out", "the input opens")
            heard: list[tuple[bytes, int]] = []
            port.on_message = lambda message, at_ns: heard.append((message, at_ns))
            played = [m.note_on(0, 50, 77), b"\xf8", b"\xfe", m.control(0, 64, 127), b"\xf0\x43\x10\xf7"]
            montage.keys(*played)
            await until(lambda: len(heard) == 3, "three messages are heard")
            assert [message for message, _ in heard] == [message for message in played if message[0] < 0xF8]
            for (_, at_ns), played_ns in zip(heard, (montage.played_ns[0],) * 3, strict=True):
                assert 0 <= at_ns - played_ns < 50 * MS
            # Somebody else strikes and leaves the key that is held there, and lifts a pedal.
            port.play([(ANNA, m.note_on(0, 50, 30), None)])
            port.play([(ANNA, m.control(0, 64, 127), None)])
            port.play([(ANNA, m.note_on(0, 51, 30), None)])
            port.release(ANNA)
            await until(
                lambda: m.note_off(0, 51) in montage.messages(), "the note of the one who plays on ends"
            )
            assert montage.messages()[len(START) :] == [
                m.note_on(0, 50, 30),
                m.note_on(0, 51, 30),
                m.note_off(0, 51),
            ]
            montage.keys(m.note_off(0, 50))
            await until(
                lambda: m.note_off(0, 50) in montage.messages(),
                "the strike from outside ends with the one at the keys",
            )


async def test_a_replugged_instrument_is_found_again_and_nothing_hangs(jack_midi: JackServer) -> None:
    async with asyncio.timeout(20):
        montage = JackInstrument(jack_midi)
        async with opened(config(listen=False)) as port:
            port.play([(ANNA, m.note_on(0, 60, 90), None)])
            montage.wait_for(m.note_on(0, 60, 90))
            montage.close()
            await until(lambda: port.status.state == "missing", "it is missed")
            assert port.status.code == "missing"
            assert "MONTAGE" in (port.status.error or "")
            with JackInstrument(jack_midi) as again:
                await until(lambda: port.status.state == "live", "it is found")
                # The real one still sounds the note: it lost its cable, not its power.
                again.wait_for(m.note_off(0, 60))
                port.play([(ANNA, m.note_on(0, 62, 90), None)])
                again.wait_for(m.note_on(0, 62, 90))
                assert port.restarts == 0
                assert port.status.opened == 2


async def test_an_ambiguous_name_is_refused_with_the_list(jack_midi: JackServer) -> None:
    with JackInstrument(jack_midi, "MONTAGE left"), JackInstrument(jack_midi, "MONTAGE right"):
        port = MidiPort("test", config())
        await port.start()
        try:
            await until(lambda: port.status.code == "ambiguous", "it is refused")
            assert "MONTAGE left:in" in (port.status.error or "")
            assert "MONTAGE right:in" in (port.status.error or "")
            assert port.status.output == ""
        finally:
            await port.close()
        async with opened(config(output="MONTAGE right", input="MONTAGE left")) as port:
            await until(lambda: bool(port.status.input), "the input opens")
            assert (port.status.output, port.status.input) == ("MONTAGE right:in", "MONTAGE left:out")


async def test_a_killed_process_is_replaced_and_its_notes_end(jack_midi: JackServer) -> None:
    with JackInstrument(jack_midi) as montage:
        async with opened(config(listen=False)) as port:
            port.play([(ANNA, m.note_on(0, 60, 90), None)])
            montage.wait_for(m.note_on(0, 60, 90))
            assert port.pid is not None
            os.kill(port.pid, signal.SIGKILL)
            await until(lambda: port.restarts == 1 and port.status.state == "live", "a new one")
            montage.wait_for(m.control(0, m.ALL_NOTES_OFF, 0), 2)
            assert montage.model().hanging == []


PARENT = """
import asyncio, sys
from rtcserver.midi import message as m
from rtcserver.midiport.control import PortConfig
from rtcserver.midi.profile import PortRules
from rtcserver.midiport.supervisor import MidiPort

async def main():
    port = MidiPort("test", PortConfig(api="jack", rules=PortRules(contains=("MONTAGE",)), channels=(0,)))
    await port.start()
    while port.status.state != "live":
        await asyncio.sleep(0.01)
    for key in (60, 64, 67):
        port.play([(3, m.note_on(0, key, 90), None)])
    port.play([(3, m.control(0, 64, 127), None)])
    print(port.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_server_is_killed_every_note_ends(jack_midi: JackServer, how: signal.Signals) -> None:
    with JackInstrument(jack_midi) as montage:
        server = subprocess.Popen([sys.executable, "-c", PARENT], cwd=REPOSITORY, stdout=subprocess.PIPE)
        assert server.stdout is not None
        child = int(server.stdout.readline())
        montage.wait_for(m.control(0, 64, 127))
        assert montage.model().hanging == [(0, 60), (0, 64), (0, 67)]
        server.send_signal(how)
        server.wait()
        server.stdout.close()
        montage.wait_for(m.control(0, 64, 0), 2)
        assert montage.model().hanging == []
        assert montage.model().pedal(0, 64) == 0
        wait_until(lambda: is_gone(child), "the port process ends")


async def test_without_a_midi_system_the_status_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nowhere")
    port = MidiPort("test", PortConfig.of(profile_file.load("montage"), api="jack"))
    await port.start()
    try:
        await until(lambda: port.status.code == "system", "it is reported")
        assert port.status.state == "missing"
        assert "no JACK server" in (port.status.error or "")
        port.play([(ROOM, m.note_on(0, 60, 90), None)])
    finally:
        await port.close()


def test_a_server_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """JACK is killed under the port: rtmidi would go on listing its ports and sending into nothing."""
    with JackServer(rate=48_000, blocksize=64) as server:
        for key, value in server.variables.items():
            monkeypatch.setenv(key, value)

        async def play() -> None:
            montage = JackInstrument(server)
            async with opened(config(listen=False)) as port:
                port.play([(ANNA, m.note_on(0, 60, 90), None)])
                montage.wait_for(m.note_on(0, 60, 90))
                server.kill()
                await until(lambda: port.status.state == "missing", "it is missed")
                montage.close()
                server.start()
                with JackInstrument(server) as again:
                    await until(lambda: port.status.state == "live", "it is found")
                    again.wait_for(m.note_off(0, 60))
                    assert port.restarts == 0

        asyncio.run(play())
