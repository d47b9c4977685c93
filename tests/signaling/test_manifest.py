"""Manifests of installed pages: the room they begin with, addresses that hold behind a proxy, icons that are there."""

from __future__ import annotations

import json
import struct
from typing import Any
from urllib.parse import urljoin

import pytest

from signaling.app import STATIC
from signaling.manifest import manifest
from tests.signaling.served import serve

WIDTH = struct.Struct(">II")


@pytest.mark.parametrize("built", [True, False])
async def test_a_room_and_the_list_of_rooms_can_be_installed(built: bool) -> None:
    async with serve(STATIC, built=built) as served:
        for address, start in (("/r/main/app.webmanifest", "/r/main"), ("/app.webmanifest", "/")):
            async with served.http.get(served.url(address)) as response:
                assert response.status == 200
                assert response.content_type == "application/manifest+json"
                said: dict[str, Any] = json.loads(await response.read())
            assert urljoin(address, said["start_url"]) == start
            assert urljoin(address, said["scope"]) == "/"
            assert {icon["purpose"] for icon in said["icons"]} == {"any", "maskable"}
            for icon in said["icons"]:
                async with served.http.get(served.url(urljoin(address, icon["src"]))) as response:
                    assert response.status == 200
                    assert response.content_type == icon["type"] == "image/png"
                    kept = "immutable" in response.headers["Cache-Control"]
                    body = await response.read()
                assert kept is built
                width, height = WIDTH.unpack(body[16:24])  # of the first chunk (PNG, section 11.2.2)
                assert f"{width}x{height}" == icon["sizes"]


async def test_a_room_that_is_not_there_cannot() -> None:
    async with serve(STATIC) as served, served.http.get(served.url("/r/nowhere/app.webmanifest")) as response:
        assert response.status == 404


def test_its_addresses_keep_a_proxys_prefix_and_a_name_is_only_text() -> None:
    said = json.loads(manifest('"},<b>', "../main", "../../", "0123456789ab"))
    assert said["name"] == '"},<b>'
    at = "https://host/montage/r/main/app.webmanifest"
    assert urljoin(at, said["start_url"]) == "https://host/montage/r/main"
    assert urljoin(at, said["scope"]) == "https://host/montage/"
    assert urljoin(at, said["icons"][0]["src"]) == "https://host/montage/static/@0123456789ab/icon/192.png"
    assert "id" not in said
