"""A server's process has less of large libraries, and what is not there says so when it is used."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rtcserver.server.placeholders import import_without
from tests.main_job.test_listening import live
from tests.rig.process import REPOSITORY
from tests.rig.server import RtcServer

LIBRARY = {
    "shop/__init__.py": """
        import till
        from shop.counter import serve
        from shop.window import Window, SIZE
        from till import Till, limit
        from till.drawer import open_drawer

        class Corner(Window):
            pass

        Either = Till | None | int
        BIG = SIZE(3)["key"] | 1

        def sell() -> str:
            return serve()

        def look() -> object:
            return Window()

        def pay() -> object:
            return open_drawer()
    """,
    "shop/counter.py": 'def serve() -> str:\n    return "sold"',
    "shop/window.py": 'raise RuntimeError("is imported")',
    "till/__init__.py": 'raise RuntimeError("is imported")',
    "till/drawer.py": "",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, code in LIBRARY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(code))
    return tmp_path


def said_by(folder: Path, code: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{folder}"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_a_library_does_without_parts_of_its_own_and_of_others(library: Path) -> None:
    code = """
        from rtcserver.server.placeholders import import_without
        print(import_without("shop", ("shop.window", "till")))
        import shop
        print(shop.sell(), shop.Corner().__class__.__mro__ == (shop.Corner, object))
        for use in (shop.look, shop.pay, lambda: shop.Till.name, lambda: shop.Till | None):
            try:
                print(use())
            except RuntimeError as error:
                print(error)
        try:
            import till
        except RuntimeError as error:
            print(error)
        print(import_without("shop", ("shop.window",)))
    """
    left = "is not there: this process has imported its library without it"
    assert said_by(library, code) == [
        "True",
        "sold True",
        f"shop.window.Window() {left}",
        f"till.drawer.open_drawer() {left}",
        f"till.Till.name {left}",
        f"till.Till {left}",
        "is imported",
        "False",
    ]


def test_a_library_that_is_there_already_stays_as_it_is() -> None:
    assert not import_without("json", ("json.decoder",))


LEFT_OUT = ("libavcodec", "_pydantic_core")


def loaded(server: RtcServer) -> str:
    return Path(f"/proc/{server.pid}/maps").read_text()


def test_a_server_on_the_one_port_has_no_codecs_and_no_longer_what_read_its_configuration() -> None:
    with RtcServer(instrument="tone") as server:
        server.wait_healthy(live)
        assert [name for name in LEFT_OUT if name in loaded(server)] == []


def test_one_with_stock_peer_connections_has_them() -> None:
    with RtcServer(instrument="tone", transport="aiortc") as server:
        server.wait_healthy(live)
        assert "libavcodec" in loaded(server)
