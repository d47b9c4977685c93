"""A run of the headless client: it comes again to a full server when it is told to, and shows its link's token."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from rtcserver.client.play import upload
from rtcserver.client.session import Run, perform
from rtcserver.client.whep import ListenError


class Full:
    """A server that refuses with each of `statuses` once, and then with 403."""

    def __init__(self, *statuses: int) -> None:
        self.left = list(statuses)
        self.asked_s: list[float] = []
        self.shown: list[str | None] = []

    async def refuse(self, request: web.Request) -> web.Response:
        self.asked_s.append(asyncio.get_running_loop().time())
        self.shown.append(request.headers.get("Authorization"))
        if not self.left:
            return web.json_response({"message": "this is another matter"}, status=403)
        return web.json_response(
            {"message": "come later"}, status=self.left.pop(0), headers={"Retry-After": "1"}
        )

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_post("/r/main/whep", self.refuse)
        app.router.add_get("/", self.refuse)
        app.router.add_post("/api/rooms/main/files", self.refuse)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/r/main"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


@pytest.mark.parametrize(
    ("wait_s", "times", "said"),
    [(5.0, 3, "this is another matter"), (1.9, 2, "come later"), (0.0, 1, "come later")],
)
async def test_a_client_comes_again_when_it_is_told_to(wait_s: float, times: int, said: str) -> None:
    server = Full(503, 429)
    async with server as url:
        with pytest.raises(ListenError, match=said):
            await perform(Run(url, 1.0, wait_s=wait_s))
    assert len(server.asked_s) == times
    assert all(
        later - before >= 1.0 for before, later in zip(server.asked_s, server.asked_s[1:], strict=False)
    )


async def test_a_file_is_handed_over_again_when_the_server_says_so() -> None:
    server = Full(429)
    async with server as url:
        with pytest.raises(ListenError, match="this is another matter"):
            await upload(url, "token", "x.mid", b"MThd")
    first, second = server.asked_s
    assert second - first >= 1.0


@pytest.mark.parametrize("studio", [False, True])
@pytest.mark.parametrize("word", ["listen", "perform"])
async def test_the_token_of_a_link_is_shown_to_the_server_and_not_said_to_people(
    word: str, studio: bool
) -> None:
    server = Full()
    async with server as url:
        with pytest.raises(ListenError) as refused:
            await perform(Run(f"{url}#{word}=a.token", 1.0, studio=studio))
    assert server.shown == ["Bearer a.token"]
    assert "a.token" not in str(refused.value)


async def test_a_servers_root_is_asked_with_the_token_and_its_refusal_is_said() -> None:
    server = Full()
    async with server as url:
        with pytest.raises(ListenError, match="answers 403: this is another matter"):
            await perform(Run(url.replace("r/main", "#listen=a.token"), 1.0))
    assert server.shown == ["Bearer a.token"]
