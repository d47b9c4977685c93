"""One server and one bystander for all cases: what one of them leaves behind, the others meet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.scene import Scene


@pytest.fixture(scope="session")
def scene() -> Iterator[Scene]:
    with Scene() as found:
        yield found
