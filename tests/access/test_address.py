"""Whom an address stands for: IPv6 by its /64, and shared ones by nobody."""

from __future__ import annotations

import pytest

from rtcserver.access.address import Shared, client_of


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_a_client_is_an_address_or_a_64(address: str, client: str) -> None:
    assert client_of(address) == client


def test_shared_addresses_are_known_in_every_form() -> None:
    shared = Shared(("127.0.0.0/8", "::1", "10.1.0.0/16"))
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3", ""):
        assert shared.has(address), address
    for address in ("10.2.0.1", "2001:db8::1", "nonsense"):
        assert not shared.has(address), address
    assert not Shared().has("127.0.0.1")
