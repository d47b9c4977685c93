"""Names that one program knows: an ``/etc/hosts`` of its own, which nobody else sees."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.rig.process import program


def knowing(hosts: Mapping[str, str], executable: str, folder: Path) -> str:
    """Path of a script in `folder` that runs an executable in whose eyes these names have these addresses.

    It stands in for what the system's resolver finds elsewhere, as multicast DNS does for ``.local`` names. The
    process gets a mount namespace of its own and keeps its pid. Needs root.
    """
    unshare = program("unshare", "util-linux")
    table = folder / "hosts"
    table.write_text(
        "".join(f"{address}\t{name}\n" for name, address in {"localhost": "127.0.0.1", **hosts}.items())
    )
    inside = f'mount --bind {shlex.quote(str(table))} /etc/hosts && exec {shlex.quote(executable)} "$@"'
    script = folder / Path(executable).name
    script.write_text(f'#!/bin/sh\nexec {unshare} --mount -- sh -c {shlex.quote(inside)} sh "$@"\n')
    script.chmod(0o755)
    return str(script)
