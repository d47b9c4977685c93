"""Values as people write them, and what is said of keys that there are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtcserver.config.load import load, read_toml
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS
from rtcserver.config.written import nearest
from rtcserver.errors import ConfigError

KNOWN = (*SERVER_KEYS, *INSTRUMENT_KEYS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("prot", "port"),
        ("mediaPort", "media_port"),
        ("media-port", "media_port"),
        ("PORT", "port"),
        ("sample_rate", "samplerate"),
        ("block_size", "blocksize"),
        ("bitrate", "bitrate_bps"),
        ("sound_font", "soundfont"),
        ("instrment", "instrument"),
        ("fram", ""),
        ("version", ""),
        ("tls_", "tls"),
        ("colour", ""),
    ],
)
def test_the_key_that_was_meant_is_named(written: str, meant: str) -> None:
    assert nearest(written, KNOWN) == meant
    said = f"there is no key {written}; " + (
        f"did you mean {meant}\\? Allowed are " if meant else "allowed are "
    )
    with pytest.raises(ConfigError, match=said):
        load({}, {}, {written: 1})


def test_a_table_that_there_is_not_is_told_where_keys_stand() -> None:
    with pytest.raises(
        ConfigError, match=r"no key server, and the only tables are \[rooms\.NAME\]; allowed at the top"
    ):
        load({}, {}, {"server": {"port": 1}})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo = yes", "a switch is true or false"),
        ("demo = True", "a switch is true or false"),
        ("title = Studio", "a text needs quotation marks"),
        ("file = ~/a.wav", "a text needs quotation marks"),
        ("title = \u201cStudio\u201d", "typographic"),
        ('file = "C:\\Users\\me\\a.wav"', "single quotation marks"),
        ("gain = 1,5", "a decimal number has a point"),
        ("port: 9000", "name = value"),
    ],
)
def test_a_line_that_is_no_toml_is_told_how_it_is_written(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "rtcserver.toml"
    path.write_text(f"samplerate = 48000\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"at line 2, column \d+\) \(.*{said}") as caught:
        read_toml(path, required=True)
    assert line in str(caught.value)


def test_text_that_is_not_utf8_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rtcserver.toml"
    path.write_bytes('port = 9000\ntitle = "Fl\xfcgel"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2 is not UTF-8 text; save the file as UTF-8"):
        read_toml(path, required=True)


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        read_toml(tmp_path, required=True)


def test_variables_may_have_blanks_and_the_marks_of_an_environment_file() -> None:
    environ = {"RTCSERVER_PORT": '"9000"', "RTCSERVER_DEMO": " off ", "RTCSERVER_INSTRUMENT": "'tone' "}
    config = load({}, {**environ, "RTCSERVER_TITLE": '"Hall" and "Stage"'}, {})
    instrument = config.rooms["main"].instrument
    assert (config.port, instrument.demo, instrument.instrument) == (9000, False, "tone")
    assert config.title == '"Hall" and "Stage"'


def test_one_of_a_few_words_may_have_capitals() -> None:
    config = load({}, {"RTCSERVER_LOG_LEVEL": "WARNING"}, {"tls": "Auto", "transport": "One-Port"})
    assert (config.log_level, config.tls, config.transport) == ("warning", "auto", "one-port")
    with pytest.raises(ConfigError, match='tls = "true" is not allowed'):
        load({}, {}, {"tls": True})


def test_one_channel_is_heard_on_both_sides() -> None:
    assert load({}, {}, {"channels": 3}).rooms["main"].instrument.channels == "3,3"
    with pytest.raises(ConfigError, match="channels"):
        load({}, {}, {"channels": True})
