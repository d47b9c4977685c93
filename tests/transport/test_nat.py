"""Behind a NAT that passes one number, TCP and UDP, the room is heard with no configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def test_a_client_beyond_a_nat_hears_the_room() -> None:
    """As with a container's published ports: the server's own address is out of the client's reach."""
    done = subprocess.run(
        ["unshare", "--map-root-user", "--net", "--mount", str(FOLDER / "nat.sh"), sys.executable],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout.splitlines()[-1])
    assert (heard["left_hz"], heard["right_hz"]) == (440.0, 660.0)
    assert heard["lost"] == 0
    assert heard["gaps"] == 0
