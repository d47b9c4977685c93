"""The limits' keys: each is in the page that explains them, with its default, and reaches what it bounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rtcserver.config.limits import LIMIT_KEYS
from rtcserver.config.load import defaults, load
from rtcserver.errors import ConfigError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def test_the_page_names_every_limit_with_its_default() -> None:
    table = PAGE.read_text().partition("## Limits")[2].partition("\n- **")[0]
    said: dict[str, str] = {}
    for keys, values in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", table, re.MULTILINE):
        # A comma between digits groups thousands; others separate the values of several keys.
        numbers = [value.replace(",", "") for value in re.split(r",\s", values)]
        said |= dict(zip(re.findall(r"`(\w+)`", keys), numbers, strict=True))
    configured = defaults()
    assert said == {key: f"{configured[key]:g}" if isinstance(configured[key], float) else str(configured[key])
                    for key in LIMIT_KEYS if key != "shared_addresses"}  # fmt: skip
    assert f"**`shared_addresses`** (`{configured['shared_addresses']}`)" in PAGE.read_text()


@pytest.mark.parametrize("key", [key for key in LIMIT_KEYS if key != "shared_addresses"])
def test_a_limit_that_makes_no_sense_is_refused(key: str) -> None:
    for value in ("-1", "many", "1e99"):
        with pytest.raises(ConfigError, match=f"--{key.replace('_', '-')}: {key} = "):
            load({key: value}, {}, {})
