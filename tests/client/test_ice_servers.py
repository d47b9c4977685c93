"""TURN servers out of ``Link`` headers, as the headless client reads them."""

from __future__ import annotations

import pytest

from rtcserver.client.ice_servers import MAX_LINKS, relays


def test_relays_with_credentials_are_found_and_others_passed_over() -> None:
    headers = [
        '<stun:stun.example>; rel="ice-server"',
        '<turn:a?transport=udp>; rel="ice-server"; username="17:x"; credential="c+/="; credential-type="password"',
        '<turns:b>;rel=ice-server;username=u;credential=p, <turn:c>; rel="ice-server"; username="alone"',
        '</page>; rel="next"; username="u"; credential="p"',
        '<turn:d>; rel="ICE-SERVER"; username="a, <turn:evil>; b"; credential="q\\"r\\\\;"',
    ]
    found = [(one.urls, one.username, one.credential) for one in relays(headers)]
    assert found == [
        ("turn:a?transport=udp", "17:x", "c+/="),
        ("turns:b", "u", "p"),
        ("turn:d", "a, <turn:evil>; b", 'q"r\\;'),
    ]


@pytest.mark.parametrize(
    "header", ["", "<turn:a", "turn:a; rel=ice-server", "<turn:a>; rel", '<turn:a>; rel="ice-server']
)
def test_what_is_no_link_is_none(header: str) -> None:
    assert relays([header]) == []


def test_there_is_an_end_to_them() -> None:
    link = '<turn:a>; rel="ice-server"; username="u"; credential="p"'
    assert len(relays([link] * 100)) == MAX_LINKS
