"""The committed vectors of the page's decoders."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.encode import decoder_vectors as made

NAMES = [path.stem for path in sorted(made.FOLDER.glob("*.json"))]


def read(name: str) -> tuple[dict[str, Any], npt.NDArray[np.int16]]:
    vector = json.loads((made.FOLDER / f"{name}.json").read_text())
    return vector, np.frombuffer(base64.b64decode(vector.pop("pcm")), "<i2")


def test_there_is_one_of_each() -> None:
    assert sorted(made.vectors()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_libopus_gives_what_is_written(name: str) -> None:
    """The decoder in PyAV's wheel; `python -m tests.encode.decoder_vectors` writes the file anew."""
    vector, pcm = read(name)
    again = made.decoded(vector["events"], vector["frames"])
    assert len(again) == len(pcm)
    assert np.abs(again.astype(int) - pcm).max() <= 8


def test_another_libopus_gives_the_same_without_losses() -> None:
    vector, pcm = read("clean")
    sound = made.decoded_by_system(vector["events"], vector["frames"])
    assert np.abs(sound * 32768 - pcm).max() <= 1
