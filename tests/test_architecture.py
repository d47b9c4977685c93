"""The tree is the pipeline: who may import whom, who reads clocks, how long a module gets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(p for top in ("rtcserver", "signaling") for p in (ROOT / top).rglob("*.py"))
MAX_LINES = 420

BASE = {"errors", "clock", "heap", "logs", "rate", "tasks", "__init__"}
"""Modules of the package itself, which everything may import."""
UPSTREAM: dict[str, set[str]] = {
    "children": set(),
    "config": {"access"},
    "midi": set(),
    "access": set(),
    "capture": {"config", "midi"},
    "encode": {"capture"},
    "instrument": {"capture", "children", "config", "encode"},
    "monitor": {"capture", "children", "encode", "instrument"},
    "midiport": {"capture", "children", "config", "instrument", "midi"},
    "broadcast": {"children", "encode", "transport"},
    "channel": {"encode", "midi"},
    "network": {"children"},
    "transport": set(),
    "sdp": {"transport"},
    "peer": {"access", "broadcast", "encode", "sdp", "transport"},
    "ogg": {"access", "encode", "peer"},
    "stock": {"access", "encode", "peer", "sdp"},
    "room": {
        "access",
        "broadcast",
        "capture",
        "channel",
        "children",
        "config",
        "encode",
        "instrument",
        "midi",
        "midiport",
        "peer",
    },
    "telemetry": {"broadcast"},
    "client": {"channel", "encode", "midi", "network", "transport"},
    "load": {"channel", "client", "transport"},
    "server": {
        "access",
        "broadcast",
        "channel",
        "children",
        "config",
        "encode",
        "instrument",
        "midiport",
        "monitor",
        "ogg",
        "peer",
        "room",
        "stock",
        "telemetry",
        "transport",
    },
    "commands": {
        "access",
        "capture",
        "children",
        "client",
        "config",
        "instrument",
        "load",
        "midiport",
        "network",
        "server",
    },
}
"""What each folder may import besides itself and `BASE`: exactly the edges that exist."""
WIRING = {"serve", "https"}
"""Only these may import signaling: they put the server together."""
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


def folders_of(path: Path) -> set[str]:
    """Which of our folders a module imports from; ``signaling`` for the one beside the package."""
    found = set()
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "signaling":
            found.add("signaling")
        elif top == "rtcserver" and rest and rest.split(".")[0] in UPSTREAM:
            found.add(rest.split(".")[0])
    return found


def test_every_folder_has_its_place() -> None:
    folders = {folder.name for folder in (ROOT / "rtcserver").iterdir() if (folder / "__init__.py").is_file()}
    assert folders == set(UPSTREAM)
    loose = {path.stem for path in (ROOT / "rtcserver").glob("*.py")}
    assert loose == {*BASE, "__main__"}


@pytest.mark.parametrize("stage", sorted(UPSTREAM))
def test_imports_follow_the_pipeline(stage: str) -> None:
    """Every edge is allowed, and every allowed edge exists."""
    found = {
        folder
        for path in (ROOT / "rtcserver" / stage).rglob("*.py")
        for folder in folders_of(path)
        if not (folder == "signaling" and path.stem in WIRING)
    }
    assert found - {stage} == UPSTREAM[stage]


def test_the_pipeline_has_no_circle() -> None:
    order: list[str] = []
    while len(order) < len(UPSTREAM):
        ready = [s for s, needs in UPSTREAM.items() if s not in order and needs <= {*order}]
        assert ready, f"a circle among {sorted(set(UPSTREAM) - set(order))}"
        order += ready


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_clock_module_reads_time(path: Path) -> None:
    if name_of(path) == "rtcserver.clock":
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
    for child in ("broadcast", "instrument", "midiport", "monitor"):
        module = f"rtcserver.{child}.process"
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
