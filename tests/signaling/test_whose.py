"""Whose page: names that are not this server's are refused, and pages of others open no session."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from signaling.whose import Allowed
from tests.sdp import offers
from tests.signaling.served import serve


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "localhost", "LOCALHOST.", "studio.local", "studio.example", "8.8.8.8"]
)
def test_its_own_names_pass(host: str) -> None:
    assert Allowed(["studio.example"]).has_host(host)
    assert Allowed().has_host(socket.gethostname())


@pytest.mark.parametrize("host", ["evil.example", "local", "localhost.evil.example", "1.2.3", "", "x"])
def test_others_do_not(host: str) -> None:
    assert not Allowed(["studio.example"]).has_host(host)


def test_origins() -> None:
    assert Allowed().has_origin("http://127.0.0.1:8080", "127.0.0.1:8080")
    assert not Allowed().has_origin("http://127.0.0.1:9090", "127.0.0.1:8080")
    assert not Allowed().has_origin("null", "127.0.0.1:8080")
    assert not Allowed().has_origin("http://[", "")
    assert Allowed(origins=["https://a.example/"]).has_origin("https://a.example", "h")
    assert Allowed(origins=["*"]).has_origin("null", "h")


async def test_a_rebound_name_and_a_foreign_page_get_nothing(static: Path) -> None:
    async with serve(static, allowed=Allowed()) as served:
        for path in ("/", "/r/main", "/api/rooms", "/healthz", "/metrics"):
            async with served.http.get(served.url(path), headers={"Host": "evil.example"}) as response:
                assert response.status == 421
                assert "allowed_hosts" in await response.text()
        async with served.post(
            "/r/main/whep", offers.small(), headers={"Origin": "http://evil.example"}
        ) as r:
            assert r.status == 403
            assert (await r.json())["error"] == "wrong_origin"
        assert served.backend.sessions() == []
        async with served.http.get(served.url("/api/rooms"), headers={"Origin": "http://evil.example"}) as r:
            assert "Access-Control-Allow-Origin" not in r.headers


async def test_what_holds_data_is_for_our_own_pages_even_where_others_may_frame_them(static: Path) -> None:
    async with serve(static, frame_ancestors="https://home.local") as served:
        for path, policy in (
            ("/api/rooms", "same-origin"),
            ("/healthz", "same-origin"),
            ("/metrics", "same-origin"),
            ("/api/sessions", "same-origin"),
            ("/r/main", "cross-origin"),
        ):
            async with served.http.get(served.url(path)) as response:
                assert response.headers["Cross-Origin-Resource-Policy"] == policy
