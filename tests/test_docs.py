"""What the pages say of the tree is there: paths, links, folders with their imports, decisions without holes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.realtime import ROOT
from tests.test_architecture import UPSTREAM

PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "rtcserver" / "channel" / "PROTOCOL.md"]
)
BASES = (ROOT, ROOT / "rtcserver", ROOT / "static", ROOT / "docs")
"""Pages name modules from the root, or from the tree that they are about."""
MADE = {"rtcserver/room/loudness.py", "encoding-panel.js", "benchmarks/NAME.py"}
LOCAL = MADE | {"rtcserver.toml", "cert.pem", "key.pem", "pyproject.toml", "organ.py"}
"""Files of the reader's own, and those that they make as docs/extending.md shows."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = set(
        re.findall(
            r"`((?!/)[\w./-]+\.(?:py|js|md|toml|html|css|yml|json|txt)|(?!/)[\w./-]+/)`", page.read_text()
        )
    )
    folders = {base for base in BASES if base.is_dir()}
    assert {
        name for name in named - LOCAL if not any((base / name).exists() for base in (*folders, page.parent))
    } == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in link}
    assert {link for link in links if not (page.parent / link).exists()} == set()


def test_the_table_of_folders_has_the_imports_that_exist() -> None:
    rows = re.findall(
        r"^\| `(\w+)/` \| [^|]+ \| [^|]+ \| ([^|]+) \|$",
        (ROOT / "docs/architecture.md").read_text(),
        re.MULTILINE,
    )
    table = {folder: set(cell.split(", ")) - {"–"} for folder, cell in rows}
    assert table == UPSTREAM
    names = [folder for folder, _ in rows]
    assert all(names.index(needed) < names.index(folder) for folder in names for needed in UPSTREAM[folder])


def test_decisions_are_numbered_without_holes() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04d}-")
        assert page.read_text().startswith(f"# {number}. ")
