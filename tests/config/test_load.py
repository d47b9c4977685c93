"""Configuration: what goes over what, and errors that name key, value and what is allowed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from rtcserver.access.rules import DEFAULT, EXTERNAL
from rtcserver.config import flags as config_flags
from rtcserver.config.load import defaults, descriptions, example, load, parse_hosts, read_toml
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS, TABLES, InstrumentConfig, to_dict
from rtcserver.encode.encoding import LIGHT, light_of
from rtcserver.errors import ConfigError
from tests.access.test_users import CHEAP

ROOT = Path(__file__).resolve().parents[2]


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    config_flags.add_server_flags(parser)
    return parser.parse_args(words)


def test_flags_go_over_the_environment_over_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rtcserver.toml").write_text("port = 1\nbitrate_bps = 96000\nframe_ms = 20\n")
    environ = {"RTCSERVER_PORT": "2", "RTCSERVER_BITRATE_BPS": "128000", "HOME": "/"}
    config = config_flags.configuration(parse("--port", "3"), environ)
    room = config.rooms["main"].instrument
    assert (config.port, room.bitrate_bps, room.frame_ms, room.blocksize) == (3, 128_000, 20, 128)


def test_a_named_file_must_exist_and_a_forgotten_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_flags.configuration(parse(), {}).port == 8080
    with pytest.raises(ConfigError, match=r"nowhere\.toml: there is no such file"):
        config_flags.configuration(parse("--config", "nowhere.toml"), {})
    with pytest.raises(ConfigError, match=r"other\.toml"):
        config_flags.configuration(parse(), {"RTCSERVER_CONFIG": "other.toml"})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("port", "80800", '--port: port = "80800" .*65535'),
        ("port", "many", '--port: port = "many".*integer'),
        ("frame_ms", "7", '--frame-ms: frame_ms = "7" .* 2.5, 5, 10, 20'),
        ("bitrate_bps", "9000", 'bitrate_bps = "9000" .*64000'),
        (
            "studio_light_frame_ms",
            "20",
            '--studio-light-frame-ms: studio_light_frame_ms = "20" .* 2.5, 5, 10',
        ),
        ("studio_light_frame_ms", "nan", 'studio_light_frame_ms = "nan"'),
        ("studio_light_bitrate_bps", "63999", 'studio_light_bitrate_bps = "63999" .*64000'),
        ("studio_light_bitrate_bps", "510001", 'studio_light_bitrate_bps = "510001" .*510000'),
        ("studio_light_listeners", "100001", 'studio_light_listeners = "100001" .*100000'),
        ("channels", "1", 'channels: "1" is not a pair'),
        ("channels", "0,1", "channel numbers count from 1"),
        ("mix", "1:X", 'mix: "1:X" is not understood'),
        ("mix", "1:L:99", "99 dB is out of range"),
        ("studio_bits", "20", "0, 16, 24"),
        ("room", "a/b", 'room: "a/b" is no room name'),
        ("shared_addresses", "10.0.0.0/8, nonsense", 'shared_addresses: "nonsense"'),
        (
            "public_host",
            "https://music.example",
            'public_host = "https://music.example" .* without scheme and port',
        ),
        ("public_host", "music.example, 203.0.113.5:8080", 'public_host = "203.0.113.5:8080" is not allowed'),
        ("public_host", "203.0.113", 'public_host = "203.0.113" is not allowed'),
        ("public_host", "0.0.0.0", 'public_host = "0.0.0.0" is not allowed'),
        ("public_host", "fe80::1%eth0", 'public_host = "fe80::1%eth0" is not allowed'),
        ("public_host", "music example", 'public_host = "music example" is not allowed'),
        ("public_host", "a..b", 'public_host = "a..b" is not allowed'),
        ("public_host", "a,b,c,d,e,f,g,h,i", "these are 9; at most 8"),
        ("trusted_proxies", "10.0.0.0/8, 10.0.0.0/33", 'trusted_proxies: "10.0.0.0/33"'),
        (
            "frame_ancestors",
            "https://home.local/lovelace",
            'frame_ancestors: "https://home.local/lovelace" is no origin',
        ),
        ("tone_dbfs", "3", "tone_dbfs"),
        ("auth_url", "127.0.0.1:9000/auth", "auth_url is not allowed: it is a URL such as http://127.0.0.1"),
        ("auth_url", "ftp://a:secret@b/", "^auth_url is not allowed: it is a URL such as http://[^@]*$"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load({key: value}, {}, {})


@pytest.mark.parametrize(("frame_ms", "samples"), [("2.5", 120), ("5", 240), ("10", 480)])
def test_studio_light_is_encoded_as_its_room_says(frame_ms: str, samples: int) -> None:
    values = {"studio_light_frame_ms": frame_ms, "studio_light_bitrate_bps": "510000"}
    light = light_of(load(values, {}, {}).rooms["main"].instrument)
    assert (light.name, light.frame_samples, light.bitrate_bps) == (LIGHT, samples, 510_000)


def test_rooms_may_have_lights_of_their_own() -> None:
    rooms = load(
        {}, {}, {"studio_light_frame_ms": 10, "rooms": {"a": {}, "b": {"studio_light_frame_ms": 2.5}}}
    ).rooms
    assert [room.instrument.studio_light_frame_ms for room in rooms.values()] == [10, 2.5]


def test_the_place_of_a_wrong_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^RTCSERVER_PORT: "):
        load({}, {"RTCSERVER_PORT": "x"}, {})
    with pytest.raises(ConfigError, match=r"^my\.toml: port"):
        load({}, {}, {"port": "8080x"}, toml_name="my.toml")
    with pytest.raises(ConfigError, match=r"^my\.toml: rooms\.stage: there is no key prot; allowed are "):
        load({}, {}, {"rooms": {"stage": {"prot": 1}}}, toml_name="my.toml")
    with pytest.raises(ConfigError, match="RTCSERVER_PROT: there is no key prot"):
        load({}, {"RTCSERVER_PROT": "1"}, {})


def test_rooms_take_over_what_they_do_not_say() -> None:
    tables: dict[str, Any] = {
        "bitrate_bps": 96_000,
        "rooms": {"stage": {"instrument": "tone", "title": "The stage"}, "studio": {"bitrate_bps": 256_000}},
    }
    rooms = load({"instrument": "file", "file": "a.wav"}, {}, tables).rooms
    assert list(rooms) == ["stage", "studio"]
    assert (rooms["stage"].title, rooms["stage"].instrument.instrument) == ("The stage", "tone")
    assert rooms["stage"].instrument.bitrate_bps == 96_000
    assert (rooms["studio"].instrument.instrument, rooms["studio"].instrument.bitrate_bps) == (
        "file",
        256_000,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = \n", ["Invalid value (at line 1, column 8)", "\n    port = \n           ^"]),
        ("# one\ntitle = 'A'\nport 8080\n", ["at line 3, column 6", "\n    port 8080\n         ^"]),
        ('port = 1\ntitle = """never closed\n', ["end of document", '\n    title = """never closed']),
    ],
)
def test_a_broken_file_is_named_and_its_line_shown(text: str, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "rtcserver.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_toml(tmp_path / "rtcserver.toml", required=False)
    said = str(raised.value)
    assert said.startswith(f"{tmp_path}/rtcserver.toml: ")
    for part in words:
        assert part in said


def test_the_state_folder_is_the_users_unless_it_is_said() -> None:
    assert load({}, {"HOME": "/home/ann"}, {}).state_dir == "/home/ann/.local/share/rtcserver"
    assert load({}, {"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, {}).state_dir == "/data/rtcserver"
    assert load({"state_dir": "here"}, {"HOME": "/home/ann"}, {}).state_dir == "here"


def test_options_are_a_table_or_its_text_and_belong_to_one_kind() -> None:
    table = {"decay_s": 2.5, "body": "warm"}
    text = 'decay_s = 2.5, body = "warm"'
    for options in (text, f"{{ {text} }}"):
        assert load({"options": options}, {}, {}).rooms["main"].instrument.options == table
    assert load({}, {"RTCSERVER_OPTIONS": text}, {}).rooms["main"].instrument.options == table
    rooms = load({}, {}, {"instrument": "pluck", "options": table, "rooms": {
        "same": {"demo": False}, "other": {"instrument": "tone"}, "own": {"options": {"decay_s": 1.0}},
    }}).rooms  # fmt: skip
    assert {name: room.instrument.options for name, room in rooms.items()} == {
        "same": table, "other": {}, "own": {"decay_s": 1.0},
    }  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"--options: options = 'decay_s: 2' is not understood; write name = value"
    ):
        load({"options": "decay_s: 2"}, {}, {})
    with pytest.raises(ConfigError, match=r"rtcserver\.toml: options"):
        load({}, {}, {"options": 3})


def test_every_key_is_explained_and_has_a_flag() -> None:
    keys = {*SERVER_KEYS, *INSTRUMENT_KEYS}
    assert set(descriptions()) >= keys
    assert set(defaults()) - set(TABLES) == keys
    assert load({"srtp": "libsrtp"}, {}, {}).srtp == "libsrtp"
    with pytest.raises(ConfigError, match="srtp"):
        load({"srtp": "openssl"}, {}, {})
    for key in keys - {"demo", "dev", "live", "media_tcp", "offer_bridges", "redundancy", "tiers"}:
        flags = vars(parse(f"--{key.replace('_', '-')}", "1"))
        assert flags[key] == "1"
    assert parse("--no-demo").demo is False
    assert parse("--no-redundancy").redundancy is False
    assert parse("--no-media-tcp").media_tcp is False
    assert parse("--no-tiers").tiers is False
    assert parse("--no-live").live is False
    assert parse("--dev").dev is True


def test_the_example_file_is_current_and_says_the_defaults() -> None:
    text = (ROOT / "rtcserver.example.toml").read_text()
    assert text == example()
    import tomllib

    uncommented = "\n".join(
        line[1:]
        for line in text.split("#[rooms.main]")[0].splitlines()
        if line.startswith("#") and line[1] != " "
    )
    config = load({}, {}, tomllib.loads(uncommented))
    assert to_dict(config.rooms["main"].instrument) == to_dict(InstrumentConfig())


def test_a_byte_order_mark_in_front_of_the_file_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "rtcserver.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 9001\n")
    assert read_toml(path, required=True) == {"port": 9001}


def test_a_device_and_a_pair_may_be_written_as_numbers() -> None:
    config = load({}, {}, {"device": 3, "rooms": {"main": {"channels": [3, 4]}}})
    instrument = config.rooms["main"].instrument
    assert (instrument.device, instrument.channels) == ("3", "3,4")


@pytest.mark.parametrize("toml", [{"channels": [1, 2, 3]}, {"channels": [1, "2"]}, {"device": True}])
def test_numbers_that_make_no_device_or_pair_are_refused_by_their_key(toml: dict[str, object]) -> None:
    (key,) = toml
    with pytest.raises(ConfigError, match=key):
        load({}, {}, toml)


def test_a_tilde_in_a_path_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    config = load(
        {"state_dir": "~/state"}, {"RTCSERVER_TLS_CERT": "~/a.pem"}, {"file": "~/piano.flac", "title": "~"}
    )
    assert (config.state_dir, config.tls_cert) == ("/home/anna/state", "/home/anna/a.pem")
    room = config.rooms["main"]
    assert (room.instrument.file, room.title) == ("/home/anna/piano.flac", "~")
    with pytest.raises(ConfigError, match="file"):
        load({"file": "~nobody-of-this-name/piano.flac"}, {}, {})
    # Found by script/fuzz: no user can have such a name.
    with pytest.raises(ConfigError, match="file"):
        load({}, {}, {"file": "~\0/piano.flac"})


@pytest.mark.parametrize("value", [" music.example, 203.0.113.5,[2001:db8::5],, ", None])
def test_the_public_host_is_one_or_several(value: str | None) -> None:
    several = ["music.example", "203.0.113.5", "[2001:db8::5]"]
    config = load({}, {}, {"public_host": several if value is None else value})
    assert parse_hosts(config.public_host) == ("music.example", "203.0.113.5", "2001:db8::5")
    assert parse_hosts("") == ()


def test_users_and_an_auth_url_change_the_rules_that_apply() -> None:
    assert load({}, {}, {}).access == DEFAULT
    assert load({"auth_url": "http://127.0.0.1:9000/auth"}, {}, {}).access == EXTERNAL
    users = [{"name": "vlc", "password": CHEAP}]
    assert [user.name for user in load({}, {}, {"users": users}).users] == ["vlc"]
    for table, said in (
        ({"users": [{"name": "vlc", "password": "open sesame"}]}, "never the password itself"),
        ({"users": users, "access": [{"actions": ["listen"]}]}, "users can do nothing"),
        ({"access": [{"actions": ["listen"], "external": True}]}, "there is no auth_url"),
    ):
        with pytest.raises(ConfigError, match=rf"^rtcserver\.toml: .*{said}"):
            load({}, {}, table)
