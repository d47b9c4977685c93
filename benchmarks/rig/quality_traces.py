"""Records what the page measures in Studio when a network turns bad: ``tests/vectors/studio/quality.json``.

``python -m benchmarks.rig.quality_traces --preset busy-wifi`` records one network in both qualities, each held, and puts
it in place of the one in the file. A real Chromium plays behind the seeded relay of the rig: `CALM_S` seconds through
the preset ``lan``, then ``--seconds`` through the preset. The first row is the last reading of the calm, so that what
counters grew by is known from the next one on. Nothing is rounded or left out. Where the page leaves Studio, the rows
end with its last reading, and ``left`` is what it said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.rig.common import say
from benchmarks.studio_network import begin
from rtcserver.network.presets import PRESETS
from tests.rig.chromium import Chromium
from tests.rig.process import REPOSITORY
from tests.rig.relay import UdpRelay
from tests.rig.server import RtcServer
from tests.studio.listening import RATE, noise

FILE = REPOSITORY / "tests" / "vectors" / "studio" / "quality.json"
SEED = 5
CALM = "lan"
CALM_S = 5
SECONDS = 12
ABOUT = (
    "What a real Chromium's page measured in Studio behind the seeded relay (seed 5), one reading a second, as "
    "benchmarks/rig/quality_traces.py wrote it: some seconds through the preset lan, whose last reading is the first row, "
    "then the preset by name. The quality was held; in exact the server sent each block twice where losses asked for it. "
    "Counters are since the session began. left: what the page said when it left Studio; the last row is then its last "
    "reading, at most a tenth of a second older. One machine played server, relay and browser: its own unevenness is in "
    "all rows."
)
COLUMNS = (
    "atMs",
    "jitterMs",
    "lost",
    "repaired",
    "lostMs",
    "madeUpMs",
    "missed",
    "underruns",
    "levelMs",
    "targetMs",
    "payloads",
    "rttMs",
)

_READ = """async (seconds) => {
  const { studio } = window.rtcserver;
  const readings = [];
  const start = performance.now();
  let latest = null;
  for (let tenth = 0; tenth <= 10 * seconds; tenth += 1) {
    await new Promise((resolve) => setTimeout(resolve, start + 100 * tenth - performance.now()));
    const stats = studio.stats();
    if (studio.state !== "playing" || !stats) {
      if (latest) readings.push(latest);
      return { readings, left: studio.session.notice };
    }
    latest = { ...stats.ring, atMs: stats.atMs, rttMs: stats.rttMs };
    if (tenth % 10 === 0) readings.push(latest);
  }
  return { readings, left: null };
}"""


async def trace(preset: str, quality: str, seconds: int) -> tuple[dict[str, Any], str]:
    """``rows`` of `COLUMNS`, and ``left``; and the browser's name for itself."""
    weather = PRESETS[preset]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noise.wav"
        noise(file)
        with (
            RtcServer(instrument="file", file=file, samplerate=RATE) as server,
            UdpRelay(
                ("127.0.0.1", server.port), up=PRESETS[CALM].up, down=PRESETS[CALM].down, seed=SEED
            ) as relay,
        ):
            server.wait_healthy(lambda said: bool(said["rooms"]["main"]["state"] == "live"))
            async with Chromium() as browser:
                page = await browser.open(f"{server.room_url}?studio={quality}", relay)
                if not await begin(page):
                    raise RuntimeError(
                        f"Studio did not begin: {await page.evaluate('rtcserver.studio.session.notice')}"
                    )
                await asyncio.sleep(CALM_S)
                reading = asyncio.ensure_future(page.evaluate(_READ, seconds))
                await asyncio.sleep(0.1)
                relay.impair(up=weather.up, down=weather.down)
                found = await reading
                agent = await page.evaluate("navigator.userAgent")
    rows = [[reading[name] for name in COLUMNS] for reading in found["readings"]]
    return {"rows": rows, "left": found["left"]}, agent


def put(preset: str, traces: dict[str, dict[str, Any]], agent: str) -> None:
    """Write one network's traces into the file, beside those of the others."""
    said: dict[str, Any] = json.loads(FILE.read_text())
    networks = said.get("networks", {}) | {preset: {"browser": agent, **traces}}
    text = json.dumps(
        {"about": ABOUT, "columns": COLUMNS, "networks": dict(sorted(networks.items()))}, indent=1
    )
    # A row a line: lists of plain values are closed up.
    FILE.write_text(re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", _closed_up, text) + "\n")


def _closed_up(found: re.Match[str]) -> str:
    return "[" + re.sub(r",\s+", ", ", found[1]) + "]"


async def record(preset: str, seconds: int) -> None:
    """Both qualities."""
    traces = {}
    agent = ""
    for quality in ("exact", "light"):
        traces[quality], agent = await trace(preset, quality, seconds)
        say(
            f"{preset}, {quality}: {len(traces[quality]['rows'])} rows; {traces[quality]['left'] or 'stayed'}"
        )
    put(preset, traces, agent)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=tuple(PRESETS), required=True, help="the network")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"of it (default {SECONDS})")
    args = parser.parse_args()
    asyncio.run(record(args.preset, args.seconds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
