"""The tree is the pipeline: who may import whom, who reads clocks, how long a module gets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(p for top in ("rtcserver", "signaling") for p in (ROOT / top).rglob("*.py"))
MAX_LINES = 420

UPSTREAM: dict[str, set[str]] = {
    "capture": set(),
    "encode": {"capture"},
    # The embedded instrument merges performers where its messages leave, as a port process does.
    "instrument": {"capture", "encode", "midi"},
    "midi": {"capture", "encode", "instrument"},
    "broadcast": {"encode"},
    "channel": {"encode"},
    "transport": {"broadcast"},
    "peer": {"broadcast", "encode", "transport"},
    "session": {"broadcast", "channel", "encode", "instrument", "midi", "peer"},
    "telemetry": {"broadcast", "channel"},
    "client": {"channel", "encode", "transport"},
    "load": {"channel", "client", "transport", "broadcast", "peer"},
}
"""What each stage may import besides itself and the modules at the top of the package."""
MIDI_MODULES_OF_CAPTURE = {"rtcserver.midi.merge", "rtcserver.midi.message", "rtcserver.midi.schedule"}
"""Pure modules that the embedded instrument shares with the port process."""
WIRING = {"__main__", "serve", "listening", "rooms", "cli_config", "devices_cli", "config_load"}
CLOCKS = {"time", "monotonic", "monotonic_ns", "time_ns", "perf_counter", "perf_counter_ns"}


def imports(path: Path) -> set[str]:
    """All modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_pipeline(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    ours = {name for name in imports(path) if name.split(".")[0] in ("rtcserver", "signaling")}
    if parts[0] == "signaling" or parts[-1] in WIRING:
        return
    assert not {name for name in ours if name.startswith("signaling")}, "rtcserver never imports signaling"
    if len(parts) == 2:
        return
    stage = parts[1]
    allowed = UPSTREAM[stage] | {stage}
    folders = {folder.name for folder in (ROOT / "rtcserver").iterdir() if folder.is_dir()}
    wrong = set()
    for name in ours:
        pieces = name.split(".")
        if len(pieces) > 1 and pieces[1] in folders and pieces[1] not in allowed:
            shared = any(name == m or name.startswith(m + ".") for m in MIDI_MODULES_OF_CAPTURE)
            if stage == "capture" and (shared or name == "rtcserver.midi"):
                continue
            wrong.add(name)
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_clock_module_reads_time(path: Path) -> None:
    if name_of(path) in ("rtcserver.clock", "rtcserver.devices_cli"):
        return
    tree = ast.parse(path.read_text())
    reads = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "time"
        and node.func.attr in CLOCKS
    ]
    # A load generator's own processes may time themselves; the product may not.
    assert not reads or path.parent.name == "load"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_one_thing(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_aiortcs_private_parts_are_touched_in_the_transport_only() -> None:
    private = []
    for path in MODULES:
        if path.parent.name == "transport" and path.stem.startswith("aiortc_"):
            continue
        private += [
            f"{name_of(path)}: {name}"
            for name in imports(path)
            if name.startswith(("aiortc.", "aioice.")) and name.rpartition(".")[2].startswith("_")
        ]
        text = path.read_text()
        if "pylibsrtp._binding" in text and name_of(path) != "rtcserver.broadcast.srtp":
            private.append(f"{name_of(path)}: pylibsrtp._binding")
    assert not private


def test_child_processes_stay_lean() -> None:
    """What a child imports at its start, followed through the package: nothing of the web."""
    heavy = {"aiohttp", "aiortc", "pydantic", "asyncio", "av", "rich"}
    for module in ("rtcserver.broadcast.process", "rtcserver.instrument.process"):
        seen: set[str] = set()
        todo = [module]
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if not path.is_file():
                path = ROOT.joinpath(*name.split("."), "__init__.py")
            if not path.is_file():
                continue
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.Import):
                    todo += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        assert not heavy & {name.split(".")[0] for name in seen}, module
