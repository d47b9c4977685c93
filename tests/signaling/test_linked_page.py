"""The page's own scripts, as they are delivered: the same code as in static/, and nothing that is not used at first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import rjsmin

from signaling.app import STATIC
from signaling.built import Built, build
from signaling.linker import link
from tests.rig.process import REPOSITORY

MODULES = sorted(STATIC.rglob("*.js"))
STUDIO = "page/studio-part.js"
LATER = {STUDIO, "page/share-part.js", "page/own-part.js", "ui/strip.js", "desk/desk.js"}
"""What is loaded when somebody chooses it."""


@pytest.fixture(scope="module")
def built() -> Built:
    return build(STATIC)


def node(*words: str) -> str:
    ran = subprocess.run(["node", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_without_comments_it_is_the_same_code(tmp_path: Path) -> None:
    pairs = []
    for number, source in enumerate(MODULES):
        made = tmp_path / f"{number}.js"
        made.write_text(rjsmin.jsmin(source.read_text()))
        pairs += [str(source), str(made)]
    assert len(MODULES) > 50
    assert node("tests/signaling/same_code.mjs", *pairs) == ""


def test_other_code_is_told_apart(tmp_path: Path) -> None:
    for name, text in (("a", "f(`x\\n y`, a?.b, /[/]/g);\n"), ("b", "f(`x\\n  y`, a?.b, /[/]/g);")):
        (tmp_path / f"{name}.js").write_text(text)
    assert "became" in node("tests/signaling/same_code.mjs", str(tmp_path / "a.js"), str(tmp_path / "b.js"))


def test_each_linked_script_is_a_module(built: Built, tmp_path: Path) -> None:
    scripts = link(sorted(built.entries), lambda path: (STATIC / path).read_text())
    assert set(scripts) == {*built.entries, *LATER, "studio/engine/worker.js", "studio/engine/worklet.js"}
    for number, (path, script) in enumerate(scripts.items()):
        assert built.pieces[path].identity().decode() == script.text
        file = tmp_path / f"{number}.mjs"
        file.write_text(script.text)
        node("--check", str(file))


def test_a_room_is_one_script_and_studio_another(built: Built) -> None:
    scripts = link(sorted(built.entries), lambda path: (STATIC / path).read_text())
    assert set(scripts["page/main.js"].later) == LATER
    assert scripts["page/main.js"].scripts == ()
    assert "new Worker(" not in scripts["page/main.js"].text
    assert "new Worker(" in scripts[STUDIO].text
    assert scripts["studio/engine/worker.js"].later == scripts["studio/engine/worklet.js"].later == ()


def test_what_a_listener_loads_is_small(built: Built) -> None:
    """A third of the 523 kB that the page had before it was linked and compressed, with room for what the server answers."""
    page = built.pages["room.html"].identity().decode()
    named = re.findall(r'(?:src|href)="\.\./static/@\w+/([^"#]+)"', page)
    loaded = [*(path for path in named if path != "page/old.js"), "font/archivo.woff2"]
    assert "page/main.js" in loaded
    assert len(loaded) == 5
    assert sum(len(built.pieces[path].body) for path in loaded) + len(built.pages["room.html"].body) < 150_000
