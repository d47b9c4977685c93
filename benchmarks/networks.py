"""What networks with names do to a listener in Chromium: the plain stream, ours, Janus and stock aiortc side by side.

Each preset (`rtcserver.network.presets`) stands between one Chromium and four servers, in turn: four listeners in one page,
each through a seeded relay of its own, at the same time. They play the same looped track of a note and chirps
(`benchmarks.rig.onsets`). ``plain`` is our server with redundancy, retransmission and changes of tier off; ``ours`` is as it
comes; ``janus`` is Debian's package with its streaming plugin, fed with our packets of 20 ms; ``aiortc`` is the package,
with an encoder for each listener, as its examples have it. Setting up a connection (STUN, DTLS) meets no accident,
everything else does, in both directions: what a listener asks for gets lost, too.

A listener settles for ``--settle`` seconds and is then measured for ``--seconds`` by the growth of its own statistics, and
by a recording straight from its track. ``blackout-10s`` is measured from its fifth second on, for 25 s.

JSON: ``presets`` → name → ``plain``, ``ours``, ``janus``, ``aiortc`` → null where the listener got no packet (``errors``
then has the reason, but for ``tcp-only``, where only a server with TCP is heard), otherwise:

- ``concealed_pct``: samples made up in place of missing ones, and not in silence, of all samples played;
- ``silent_pct``: samples of silence in their place (after some tenths of a second without packets);
- ``delay_ms``: the sum of what is known: a packet's length, its mean time in the relay (``network_ms``), and ``buffer_ms``,
  NetEQ's ``jitterBufferDelay`` over ``jitterBufferEmittedCount``; ``target_ms``: what NetEQ wanted to hold;
- ``stretched_pct``: samples inserted and removed by stretching time;
- ``gap_ms``: the longest stretch of the recording at less than half of the level; ``onsets`` and ``onsets_missed``: chirps
  in it; ``stretch_ms``: by how much two of them are nearer or farther, at most;
- ``lost_pct``: what the relay did not let through to the listener; ``kbps``: payload of what the server sent to it;
- ``join_ms``: from the offer to the first packet, four listeners at the same time; ``payload_type``, ``protocol``;
- ``rate_pct``: samples played, by the clock of the statistics: far from 100, the machine had no time for them;
- ``machine_busy_pct`` during this preset.

The verdicts are ratios of the same run: ``lossy5_ratio``, ``busy_wifi_ratio``, ``lossy20_ratio`` of concealment to the plain
stream's; ``lossy5_more_ms`` and ``busy_wifi_more_ms`` of delay; ``blackout_back_ms`` from the end of the blackout to sound;
``link64_concealed_pct``; ``tcp_join_ratio`` (medians of joins over TCP alone and over UDP on a clean network, in turns; null
if the server offers no TCP); ``peers_ratio`` (concealment under lossy-5 to that of the better of Janus and aiortc);
``recording_ok`` (ours under lossy-5: every onset is there, and no gap is longer than `MOST_GAP_MS`);
``red_fanout_ratio`` as `benchmarks.red_fanout` measures it. ``met`` says of each whether it is as
demanded (`DEMANDS`); null is unknown.

``--write-docs`` puts the table into docs/networks.md and the plot into docs/networks.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import red_fanout
from benchmarks.rig.common import MachineCpu, say
from benchmarks.rig.isolated import ADDRESS, isolate
from benchmarks.rig.janus import Janus, JanusSignaling, install, require
from benchmarks.rig.music import write_wav
from benchmarks.rig.onsets import judge, track
from benchmarks.rig.outcome import LONG_S, OverBudgetError, Result, main_of, sentence
from benchmarks.rig.serving import Rtcserver, Server, StockAiortc
from rtcserver.network.impair import Counters
from rtcserver.network.presets import PRESETS
from tests.rig.chromium import Chromium
from tests.rig.ears import RATE, Ears, growth, whep
from tests.rig.relay import UdpRelay

SERVERS = ("plain", "ours", "janus", "aiortc")
FRAME_MS = {"plain": 10, "ours": 10, "janus": 20, "aiortc": 20}
SEED = 7
JOIN_S = 8.0
MOST_GAP_MS = 20.0
BLACKOUT, BLACKOUT_SETTLE_S, BLACKOUT_S = "blackout-10s", 5.0, 25.0
TCP_JOINS = 5
FANOUT_LISTENERS, FANOUT_S = 200, 3.0
DEMANDS: Mapping[str, Callable[[float], bool]] = {
    "lossy5_ratio": lambda ratio: ratio <= 0.06,
    "lossy5_more_ms": lambda ms: ms <= 20,
    "busy_wifi_ratio": lambda ratio: ratio <= 0.06,
    "busy_wifi_more_ms": lambda ms: ms <= 20,
    "lossy20_ratio": lambda ratio: ratio <= 0.2,
    "blackout_back_ms": lambda ms: ms <= 2_000,
    "link64_concealed_pct": lambda percent: percent <= 1,
    "tcp_join_ratio": lambda ratio: ratio <= 3,
    "peers_ratio": lambda ratio: ratio <= 0.1,
    "recording_ok": bool,
    "red_fanout_ratio": lambda ratio: ratio <= 1.2,
}

Figures = dict[str, Any]
Presets = dict[str, dict[str, Figures | None]]


@dataclass(slots=True)
class Stage:
    """What all presets share. running: those of the servers that have started."""

    ears: Ears
    http: aiohttp.ClientSession
    running: dict[str, Server]
    settle_s: float
    seconds: float


@contextlib.asynccontextmanager
async def joined(stage: Stage, listener: str, name: str, relay: UdpRelay) -> AsyncIterator[float | None]:
    """A listener of a server through a relay; ms to its first packet, None if there is none."""
    server = stage.running[name]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stage.ears.close, listener)
        if isinstance(server, Janus):
            signaling = JanusSignaling(server.url)
            stack.push_async_callback(signaling.shut_down)
            session, handle, offer = await signaling.watch()
            stack.push_async_callback(signaling.close, session)
            answer = await stage.ears.accept(listener, relay.answer(offer))
            await signaling.start(handle, relay.offer(answer))
        else:
            left = await stage.ears.join(
                listener,
                whep(stage.http, f"{server.url}/whep"),
                offer=relay.offer,
                answer=lambda sdp: relay.answer(without_nack(sdp) if name == "plain" else sdp),
            )
            stack.push_async_callback(left.leave)
        yield await stage.ears.joined_ms(listener, JOIN_S)


def without_nack(sdp: str) -> str:
    """An answer after which the browser asks for no packet again."""
    return re.sub(r"(?m)^a=rtcp-fb:\S+ nack\r?\n", "", sdp)


async def heard(stage: Stage, name: str, network: str, relay: UdpRelay) -> Figures | None:
    """One server's listener through one network."""
    settle_s, seconds = stage.settle_s, stage.seconds
    if network == BLACKOUT:
        settle_s, seconds = BLACKOUT_SETTLE_S, BLACKOUT_S
    listener = f"{network} {name}"
    async with joined(stage, listener, name, relay) as join_ms:
        if join_ms is None:
            return None
        await asyncio.sleep(settle_s)
        before, passed = await stage.ears.stats(listener), relay.counters()[1]
        async with asyncio.timeout(3 * seconds + 10):
            sound = await stage.ears.record(listener, seconds)
        after, passed_after = await stage.ears.stats(listener), relay.counters()[1]
        grown = growth(before, after)
        figures = {"join_ms": round(join_ms), "payload_type": after.get("payloadType")}
        figures |= {"protocol": after.get("protocol")}
    found = judge(sound)
    return {
        **of_statistics(grown),
        **of_network(passed, passed_after, grown["timestamp"]),
        **figures,
        "gap_ms": found.gap_ms,
        "onsets": found.onsets,
        "onsets_missed": found.missed,
        "stretch_ms": found.stretch_ms,
    }


def of_statistics(grown: Mapping[str, float]) -> Figures:
    """Figures from the growth of Chromium's ``inbound-rtp`` statistics."""
    samples = max(1.0, grown["totalSamplesReceived"])
    emitted = max(1.0, grown["jitterBufferEmittedCount"])
    silent = grown["silentConcealedSamples"]
    stretched = grown["insertedSamplesForDeceleration"] + grown["removedSamplesForAcceleration"]
    return {
        "concealed_pct": round(100 * (grown["concealedSamples"] - silent) / samples, 3),
        "silent_pct": round(100 * silent / samples, 3),
        "buffer_ms": round(1000 * grown["jitterBufferDelay"] / emitted, 1),
        "target_ms": round(1000 * grown.get("jitterBufferTargetDelay", 0.0) / emitted, 1),
        "stretched_pct": round(100 * stretched / samples, 3),
        "rate_pct": round(100 * samples / RATE / (grown["timestamp"] / 1000), 1),
    }


def of_network(before: Counters, after: Counters, ms: float) -> Figures:
    """Figures from the growth of the relay's counters towards the listener, in about so many ms."""
    grown = {each.name: getattr(after, each.name) - getattr(before, each.name) for each in fields(Counters)}
    lost = grown["lost"] + grown["queue_full"]
    received = max(1, grown["received"])
    return {
        "network_ms": round(grown["delay_us"] / 1000 / max(1, received - lost), 1),
        "lost_pct": round(100 * lost / received, 2),
        "kbps": round(8 * grown["received_bytes"] / ms, 1),
    }


async def through(stage: Stage, network: str, errors: dict[str, str]) -> dict[str, Figures | None]:
    """All servers' listeners through one network, at the same time."""
    with ExitStack() as stack:
        relays = {
            name: stack.enter_context(UdpRelay.of(network, seed=SEED, host=ADDRESS)) for name in stage.running
        }
        tries = (heard(stage, name, network, relay) for name, relay in relays.items())
        came = dict(zip(relays, await asyncio.gather(*tries, return_exceptions=True), strict=True))
    found: dict[str, Figures | None] = dict.fromkeys(SERVERS)
    for name, figures in came.items():
        if isinstance(figures, BaseException):
            if not isinstance(figures, Exception):
                raise figures
            errors[f"{network} {name}"] = sentence(figures)
            continue
        if figures is None:
            if network != "tcp-only":
                errors[f"{network} {name}"] = f"no packet came within {JOIN_S:g} s"
            continue
        figures["delay_ms"] = round(figures["buffer_ms"] + figures["network_ms"] + FRAME_MS[name], 1)
        found[name] = figures
    return found


async def tcp_join_ratio(stage: Stage) -> float | None:
    """Joins of ours over TCP alone to joins over UDP, medians of `TCP_JOINS` in turns; None if TCP leads nowhere."""
    took: dict[str, list[float]] = {"lan": [], "tcp-only": []}
    for number in range(TCP_JOINS):
        for network, joins in took.items():
            with UdpRelay.of(network, seed=SEED, host=ADDRESS) as relay:
                async with joined(stage, f"{network} {number}", "ours", relay) as join_ms:
                    if join_ms is None:
                        return None
                    joins.append(join_ms)
    return round(statistics.median(took["tcp-only"]) / statistics.median(took["lan"]), 2)


def verdicts(presets: Presets, tcp_ratio: float | None) -> Figures:
    """The ratios and figures that something is demanded of; null where a part of one is missing."""

    def of(network: str, name: str, key: str) -> float | None:
        figures = presets.get(network, {}).get(name)
        return None if figures is None else figures[key]

    def ratio(over: float | None, under: float | None) -> float | None:
        return round(over / under, 4) if over is not None and under else None

    def more(network: str) -> float | None:
        ours, plain = (of(network, name, "delay_ms") for name in ("ours", "plain"))
        return None if ours is None or plain is None else round(ours - plain, 1)

    def concealed(network: str) -> float | None:
        return ratio(*(of(network, name, "concealed_pct") for name in ("ours", "plain")))

    peers = [of("lossy-5", name, "concealed_pct") for name in ("janus", "aiortc")]
    gap = of(BLACKOUT, "ours", "gap_ms")
    missed, hole = of("lossy-5", "ours", "onsets_missed"), of("lossy-5", "ours", "gap_ms")
    return {
        "lossy5_ratio": concealed("lossy-5"),
        "lossy5_more_ms": more("lossy-5"),
        "busy_wifi_ratio": concealed("busy-wifi"),
        "busy_wifi_more_ms": more("busy-wifi"),
        "lossy20_ratio": concealed("lossy-20"),
        "blackout_back_ms": None if gap is None else max(0.0, round(gap - PRESETS[BLACKOUT].down.dark_ms)),
        "link64_concealed_pct": of("link-64k", "ours", "concealed_pct"),
        "tcp_join_ratio": tcp_ratio,
        "peers_ratio": None
        if None in peers
        else ratio(of("lossy-5", "ours", "concealed_pct"), min(p for p in peers if p is not None)),
        "recording_ok": None if missed is None or hole is None else missed == 0 and hole <= MOST_GAP_MS,
    }


def plain_arguments() -> tuple[str, ...]:
    """Words for ``serve`` that turn off what is done for listeners on bad networks."""
    return ("--no-redundancy", "--no-tiers")


def servers(file: Path) -> dict[str, Callable[[], Server]]:
    """How each is made. All play the same track."""
    played = ("--instrument", "file", "--file", str(file))

    def ours(*words: str) -> Server:
        return Rtcserver(frame_ms=10, cpu=None, arguments=(*played, *words))

    def janus() -> Server:
        require()
        return Janus(file=file)

    return {
        "plain": lambda: ours(*plain_arguments()),
        "ours": ours,
        "janus": janus,
        "aiortc": lambda: StockAiortc(file=file),
    }


async def measure(
    names: list[str], settle_s: float, seconds: float, presets: Presets, errors: dict[str, str]
) -> float | None:
    """Fill `presets` and `errors`; the ratio of joins over TCP."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "onsets.wav"
        write_wav(file, track())
        running: dict[str, Server] = {}
        for name, make in servers(file).items():
            try:
                running[name] = stack.enter_context(make())
            except Exception as error:
                errors[name] = sentence(error)
        async with Chromium() as browser, aiohttp.ClientSession() as http:
            stage = Stage(await Ears.open(browser), http, running, settle_s, seconds)
            for network in names:
                say(f"networks: {network} …")
                machine = MachineCpu.now()
                presets[network] = await through(stage, network, errors)
                busy = machine.busy_pct(MachineCpu.now())
                for name, figures in presets[network].items():
                    if figures is None:
                        say(f"  {name:7} –")
                        continue
                    figures["machine_busy_pct"] = busy
                    say(
                        f"  {name:7} {figures['concealed_pct']:7.3f} % concealed, delay {figures['delay_ms']:.1f} ms, "
                        f"gap {figures['gap_ms']:g} ms, {figures['onsets_missed']} of {figures['onsets']} onsets missed"
                    )
            if "tcp-only" in names and "ours" in running:
                return await tcp_join_ratio(stage)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="measured for each preset (default 30)")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds before (default 10)")
    parser.add_argument("--presets", default=",".join(PRESETS), help="names with commas (default: all)")
    parser.add_argument("--fanout-rounds", type=int, default=3, help="for red_fanout_ratio; 0 for none")
    parser.add_argument("--write-docs", action="store_true", help="write docs/networks.md and .svg anew")
    args = parser.parse_args()
    names = args.presets.split(",")
    if not set(names) <= set(PRESETS) or not 1 <= args.seconds <= 600 or not 0 <= args.settle <= 60:
        parser.error(f"allowed are --presets of {', '.join(PRESETS)}, --seconds 1–600, --settle 0–60")
    install()
    isolate("benchmarks.networks")
    machine = MachineCpu.now()
    result = Result(peers=1)
    presets: Presets = {}
    tcp_ratio = None
    try:
        tcp_ratio = asyncio.run(measure(names, args.settle, args.seconds, presets, result.errors))
    except OverBudgetError as error:
        result.errors["networks"] = sentence(error)
    result.figures |= verdicts(presets, tcp_ratio)
    with result.peer("red_fanout", ("red_fanout_ratio",)) as found:
        if args.fanout_rounds and not result.errors.get("networks"):
            redundant = red_fanout.measure(result, FANOUT_LISTENERS, args.fanout_rounds, FANOUT_S, 10.0)
            found["red_fanout_ratio"] = redundant["red_fanout_ratio"]
    known = result.figures
    met = {key: None if known[key] is None else demanded(known[key]) for key, demanded in DEMANDS.items()}
    if args.write_docs:
        from benchmarks.rig import networks_page

        networks_page.write(presets, args.seconds)
    return result.emit(
        presets=presets,
        met=met,
        seconds=args.seconds,
        machine_busy_pct=machine.busy_pct(MachineCpu.now()),
    )


if __name__ == "__main__":
    raise SystemExit(main_of(main, LONG_S))
