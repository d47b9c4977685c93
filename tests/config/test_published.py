"""Who may frame the pages, and which environment variables are not ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcserver.config.load import load
from rtcserver.config.model import INSTRUMENT_KEYS, SERVER_KEYS
from rtcserver.config.published import (
    is_of_kubernetes,
    parse_allowed_hosts,
    parse_allowed_origins,
    parse_frame_ancestors,
)
from rtcserver.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("'self'", "'self'"),
        ("none", "'none'"),
        ("*", "*"),
        ("self https://home.local:8123/", "'self' https://home.local:8123"),
        ("https://a.example,  https://*.b.example", "https://a.example https://*.b.example"),
        ("http://192.168.1.5:8123 http://192.168.1.5:8123", "http://192.168.1.5:8123"),
        ("home.local:*", "home.local:*"),
        ("https:", "https:"),
    ],
)
def test_frame_ancestors_become_a_source_list(written: str, policy: str) -> None:
    assert parse_frame_ancestors(written) == policy


@pytest.mark.parametrize(
    "written",
    [
        "",
        " , ",
        "none self",
        "https://a/card",
        "a;b",
        "'unsafe-inline'",
        "https://",
        "http://[::1]:8123",
        "ä.de",
    ],
)
def test_what_is_no_origin_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match="frame_ancestors"):
        parse_frame_ancestors(written)


@given(st.text(max_size=60))
def test_nothing_gets_out_of_the_directive(written: str) -> None:
    try:
        policy = parse_frame_ancestors(written)
    except ConfigError:
        return
    assert policy.isascii()
    assert not set(policy) & set(';,\r\n"')


def test_lists_of_toml_are_taken(tmp_path: Path) -> None:
    config = load(
        {}, {}, {"trusted_proxies": ["10.0.0.0/8", "::1"], "frame_ancestors": ["'self'", "https://a"]}
    )
    assert (config.trusted_proxies, config.frame_ancestors) == ("10.0.0.0/8,::1", "'self',https://a")


KUBERNETES = {
    "RTCSERVER_SERVICE_HOST": "10.96.0.10",
    "RTCSERVER_SERVICE_PORT": "8080",
    "RTCSERVER_SERVICE_PORT_HTTP": "8080",
    "RTCSERVER_PORT": "tcp://10.96.0.10:8080",
    "RTCSERVER_PORT_8080_TCP": "tcp://10.96.0.10:8080",
    "RTCSERVER_PORT_8080_TCP_PROTO": "tcp",
    "RTCSERVER_PORT_8080_TCP_PORT": "8080",
    "RTCSERVER_PORT_8080_TCP_ADDR": "10.96.0.10",
    "RTCSERVER_PORT_8080_UDP": "udp://10.96.0.10:8080",
    # A second service, "rtcserver-media".
    "RTCSERVER_MEDIA_SERVICE_HOST": "10.96.0.11",
    "RTCSERVER_MEDIA_PORT": "udp://10.96.0.11:8080",
    "RTCSERVER_MEDIA_PORT_8080_UDP_ADDR": "10.96.0.11",
}


def test_the_variables_of_kubernetes_say_nothing() -> None:
    home = {"HOME": "/home/ann"}
    assert load({}, home | KUBERNETES, {}) == load({}, home, {})
    assert load({}, home | KUBERNETES | {"RTCSERVER_TITLE": "Hall"}, {}).title == "Hall"


def test_empty_variables_say_nothing() -> None:
    environ = {"RTCSERVER_PORT": "", "RTCSERVER_DEVICE": " ", "RTCSERVER_NO_KEY_OF_OURS": ""}
    config = load({}, environ, {"port": 9000, "device": "MONTAGE"})
    assert (config.port, config.rooms["main"].instrument.device) == (9000, "MONTAGE")


@pytest.mark.parametrize(
    ("name", "value"),
    [("RTCSERVER_PORT", "http://10.0.0.1"), ("RTCSERVER_PORT_FORWARDING", "1"), ("RTCSERVER_SERVICE", "x")],
)
def test_others_are_errors_as_ever(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        load({}, {name: value}, {})


@pytest.mark.parametrize("key", [*SERVER_KEYS, *INSTRUMENT_KEYS])
def test_no_key_of_ours_is_taken_for_a_services(key: str) -> None:
    assert not is_of_kubernetes(f"RTCSERVER_{key.upper()}", "8080")


@pytest.mark.parametrize(
    ("key", "written", "hint"),
    [
        ("allowed_hosts", "https://studio.example", "without scheme, port and path"),
        ("allowed_hosts", "studio.example:8080", "without scheme, port and path"),
        ("allowed_hosts", "a.example, *.b.example", r'"\*\.b\.example" can never match'),
        ("allowed_hosts", "m\u00fcsik.example", "as browsers send it: xn--msik-0ra.example"),
        ("allowed_origins", "studio.example", "scheme, name and port"),
        ("allowed_origins", "https://studio.example/page", "can never match"),
        ("allowed_origins", "https://*.example", "can never match"),
        ("allowed_origins", "null, https://a b", "can never match"),
    ],
)
def test_a_host_or_an_origin_that_no_browser_sends_is_named_at_start(
    key: str, written: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=hint):
        load({}, {}, {key: written})


def test_hosts_and_origins_are_kept_as_browsers_send_them() -> None:
    assert parse_allowed_hosts("Studio.Example., *, [2001:DB8::7], a_b") == (
        "studio.example.",
        "*",
        "[2001:db8::7]",
        "a_b",
    )
    assert parse_allowed_origins(
        "HTTPS://Studio.example:443/, http://a:80, http://[::1]:8080, null, *, app://x.y, https://b:80"
    ) == (
        "https://studio.example",
        "http://a",
        "http://[::1]:8080",
        "null",
        "*",
        "app://x.y",
        "https://b:80",
    )
