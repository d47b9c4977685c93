"""What does a player of live.opus cost the server, beside a Listen listener and beside Icecast?

One server and one Icecast that relays its ``live.opus``, both on one core; the listeners on the other. In each round three
crowds come one after the other, each as large as the others: players of ours, players of Icecast, Listen listeners. All
players get the same bytes. What a crowd costs is the CPU time of its server's processes while it listens, less that of the
same processes without it, measured before; the instrument's process is left out, as it does not depend on how many listen.
CPU time is the scheduler's own, of all threads.

Keys: `cpu_ratio_listen` and `cpu_ratio_icecast` are the quotients of the medians over rounds, `live_us`, `listen_us` and
`icecast_us` are µs of CPU for each listener and second, `live_share` and `icecast_share` what the slowest player got of what
the median one did, `alone_us` is what the stream itself costs while one player reads it.

``--proof SECONDS`` measures nothing: ffmpeg, VLC and mpv, as far as they are installed, play the stream for so long, others
join on the way, and the instrument's process is stopped in between, so that the device is dead until it is replaced. The
sound of all is judged: a tone a side. `players` has what each heard (`benchmarks.rig.players.judged`), `ok` whether each
heard the tone all the time but for the death of the device, with nothing wrong, lost or twice; `epochs` counts how often
the device was opened. It needs little of a processor and may run beside other work; give it ``--budget-s`` to end in.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.isolated import isolate
from benchmarks.rig.outcome import Result, main_of
from benchmarks.rig.players import Crowd, Icecast, Player, folder, installed, judged, ran_ns
from benchmarks.rig.serving import LOAD_CPU, Rtcserver
from rtcserver.load.fleet import Fleet
from rtcserver.load.worker import Options

SETTLE_S = 3.0
BEGIN_S = 4.0
"""Until the last pages of a join are out, and a young stream writes as an old one does."""
LEFT_HZ, RIGHT_HZ = 443.0, 661.0
"""With no number of packets that are lost or come twice do both go on in their phase, up to a second."""
JOIN_EVERY_S = 60.0
JOIN_FOR_S = 20.0
OURS = ("live_us", "alone_us", "live_share", "icecast_us", "icecast_share", "listen_us", "rounds")


class Meter:
    """CPU of processes, in µs a second."""

    def __init__(self, pids: Callable[[], list[int]], seconds: float) -> None:
        self._pids = pids
        self._seconds = seconds

    def us(self) -> float:
        """Measured now, for some seconds."""
        pids = self._pids()
        before, began = ran_ns(pids), time.monotonic_ns()
        time.sleep(self._seconds)
        return 1e6 * (ran_ns(pids) - before) / (time.monotonic_ns() - began)


@contextlib.contextmanager
def listening(server: Rtcserver, count: int) -> Iterator[None]:
    """A crowd in Listen."""
    with Fleet(Options(server.url, server.signaling, cpus=(LOAD_CPU,))) as fleet:
        joins = fleet.join(count, at_a_time=16)
        if joins.joined < count:
            raise RuntimeError(f"only {joins.joined} of {count} joined: {dict(joins.failures)}")
        yield


def share(before: list[int], after: list[int]) -> float:
    """What the slowest got of what the median one did."""
    got = sorted(b - a for a, b in zip(before, after, strict=True))
    return round(got[0] / max(1, statistics.median(got)), 3)


def measure(result: Result, listeners: int, rounds: int, seconds: float) -> dict[str, float]:
    """Medians over the rounds that there is time for."""
    with Rtcserver(frame_ms=10) as server:
        stream = f"{server.url}/live.opus"
        ours = Meter(lambda: [pid for pid in server.pids if pid not in server.fixed_pids], seconds)
        with Icecast(stream) as icecast:
            relay = Meter(lambda: icecast.pids, seconds)
            figures: dict[str, list[float]] = {}
            for number in range(rounds):
                if number and not result.fits(6 * seconds + 20):
                    say(f"  no time for more than {number} of {rounds} rounds")
                    break
                for name, value in one_round(server, stream, icecast, ours, relay, listeners).items():
                    figures.setdefault(name, []).append(value)
                say(f"  round {number + 1}: { ({name: round(v[-1], 2) for name, v in figures.items()}) }")
    medians = {name: round(statistics.median(values), 3) for name, values in figures.items()}
    return {**medians, "rounds": len(figures["live_us"])}


def one_round(
    server: Rtcserver, stream: str, icecast: Icecast, ours: Meter, relay: Meter, listeners: int
) -> dict[str, float]:
    """µs of CPU for each listener and second. Icecast's own connection reads the stream all the time."""
    time.sleep(SETTLE_S)
    alone = ours.us()
    with Crowd(stream, listeners) as crowd:
        time.sleep(BEGIN_S)
        before = crowd.received()
        live = ours.us()
        live_share = share(before, crowd.received())
    time.sleep(SETTLE_S)
    idle = relay.us()
    with Crowd(icecast.url, listeners) as crowd:
        time.sleep(BEGIN_S)
        before = crowd.received()
        relayed = relay.us()
        icecast_share = share(before, crowd.received())
    with listening(server, listeners):
        time.sleep(BEGIN_S)
        listen = ours.us()
    return {
        "alone_us": alone,
        "live_us": (live - alone) / listeners,
        "icecast_us": (relayed - idle) / listeners,
        "listen_us": (listen - alone) / listeners,
        "live_share": live_share,
        "icecast_share": icecast_share,
    }


def prove(seconds: float) -> tuple[bool, list[dict[str, Any]], int]:
    """Real players for so long; whether all is well, what each heard, and how many epochs the device had."""
    heard: list[dict[str, Any]] = []
    ok = True
    tones = ("--tone-left-hz", f"{LEFT_HZ:g}", "--tone-right-hz", f"{RIGHT_HZ:g}")
    with Rtcserver(frame_ms=10, cpu=None, arguments=tones) as server, folder() as place:
        url = f"{server.url}/live.opus"
        began = time.monotonic()
        playing = [Player(name, url, seconds, place / f"{name}.pcm") for name in installed()]
        long = len(playing)
        try:
            dies_s, joins_s = began + seconds / 2, began + min(JOIN_EVERY_S, seconds / 4)
            dead = False
            while time.monotonic() < began + seconds:
                time.sleep(1)
                if not dead and time.monotonic() > dies_s:
                    dead = True
                    # It is found hung after three seconds, and replaced.
                    for pid in server.fixed_pids:
                        os.kill(pid, signal.SIGSTOP)
                    say("  the device is dead")
                if time.monotonic() > joins_s and time.monotonic() < began + seconds - JOIN_FOR_S:
                    joins_s += JOIN_EVERY_S
                    name = installed()[len(playing) % len(installed())]
                    playing.append(
                        Player(name, url, min(JOIN_FOR_S, seconds / 4), place / f"join{len(playing)}.pcm")
                    )
            for number, player in enumerate(playing):
                said = player.wait()
                found = verdict(player, said, LEFT_HZ, RIGHT_HZ, whole=number < long)
                ok &= bool(found["ok"])
                heard.append(found)
                say(f"  {found}")
        finally:
            for player in playing:
                player.close()
        epochs = server.health()["rooms"]["main"]["epoch"]
    return ok and bool(heard), heard, epochs


def verdict(player: Player, said: str, left_hz: float, right_hz: float, *, whole: bool) -> dict[str, Any]:
    """What a player heard, and whether that is right. whole: it has heard the device die."""
    if not Path(player.out).exists():
        return {"player": player.name, "ok": False, "said": said[-300:]}
    found = judged(player.out, left_hz, right_hz)
    # A window in which the tone begins or ends is neither tone nor silence: two for each piece.
    ok = (
        found["seconds"] > player.seconds - 5
        and found["wrong"] <= 2 * found["runs"]
        and found["silent"] < (120 if whole else 90)
        and found["runs"] <= 2
        and found["jumps"] == 0
    )
    return {"player": player.name, "ok": ok, **found, **({"said": said[-300:]} if said and not ok else {})}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window")
    parser.add_argument("--proof", type=float, metavar="SECONDS", help="play with real players instead")
    arguments = parser.parse_args()
    isolate("benchmarks.live")
    before = MachineCpu.now()
    result = Result(peers=1)
    if arguments.proof:
        keys = ("ok", "players", "epochs")
        with result.peer("proof", keys) as found:
            ok, players, epochs = prove(arguments.proof)
            found |= {"ok": ok, "players": players, "epochs": epochs}
        return result.emit(benchmark="live", machine_busy_pct=before.busy_pct(MachineCpu.now()))
    with result.peer("live", OURS) as found:
        found |= measure(result, arguments.listeners, arguments.rounds, arguments.seconds)
    result.ratio("cpu_ratio_listen", "live_us", "listen_us")
    result.ratio("cpu_ratio_icecast", "live_us", "icecast_us")
    return result.emit(
        benchmark="live",
        listeners=arguments.listeners,
        machine_busy_pct=before.busy_pct(MachineCpu.now()),
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main))
