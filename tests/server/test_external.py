"""`auth_url`: another server decides, in bounded time, and whoever it cannot be asked about does not come in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from rtcserver.access.authorizer import Authorizer
from rtcserver.access.door import Action, Grant, Request, house
from rtcserver.access.rules import EXTERNAL, parse
from rtcserver.access.token import Token, sign
from rtcserver.errors import PeerError
from rtcserver.server import external
from rtcserver.server.external import External

KEY = b"k" * 32
ASKED = Request(Action.LISTEN, "main", address="10.0.0.1", user="anna", password="pa:ss", session="s1")


class Decider:
    """A server that answers `status`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.delay_s = 0.0
        self.asked: list[Any] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        await asyncio.sleep(self.delay_s)
        headers = {"Location": self.url + "/yes"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@pytest.fixture
async def decider() -> AsyncIterator[Decider]:
    found = Decider()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def asking(decider: Decider) -> AsyncIterator[External]:
    found = External(decider.url + "/auth")
    yield found
    await found.close()


async def test_it_is_told_who_wants_what_and_a_kept_answer_is_not_asked_for_again(
    decider: Decider, asking: External, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await asking.allows(ASKED)
    assert await asking.allows(
        Request(Action.LISTEN, "main", address="10.0.0.1", user="anna", password="pa:ss")
    )
    assert decider.asked == [
        {
            "action": "listen",
            "room": "main",
            "ip": "10.0.0.1",
            "user": "anna",
            "password": "pa:ss",
            "token": "",
            "id": "s1",
        }
    ]
    assert await asking.allows(Request(Action.READ, None, "a.token", "10.0.0.1", doubtful=True))
    assert decider.asked[1:] == [
        {"action": "read", "room": "", "ip": "", "user": "", "password": "", "token": "a.token", "id": ""}
    ]
    now = external.monotonic_ns()
    monkeypatch.setattr(external, "monotonic_ns", lambda: now + external.KEEP_ALLOWED_S * external.NS)
    decider.status = 403
    assert not await asking.allows(ASKED)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404])
async def test_what_is_no_yes_is_a_no(decider: Decider, asking: External, status: int) -> None:
    decider.status = status
    assert not await asking.allows(ASKED)
    assert len(decider.asked) == 1


async def test_who_cannot_be_asked_about_does_not_come_in_and_hears_it_soon(
    decider: Decider, asking: External, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(external, "TIMEOUT_S", 0.2)
    gone = External("http://127.0.0.1:9/")
    cases = [(gone, 200, 0.0), (asking, 500, 0.0), (asking, 200, 2.0)]
    for one, decider.status, decider.delay_s in cases:
        with pytest.raises(PeerError, match="does not answer just now") as refused:
            await one.allows(ASKED)
        assert (refused.value.status, refused.value.code) == (503, "auth_unreachable")
        assert refused.value.retry_after_s == external.RETRY_AFTER_S
    decider.delay_s = 0.0
    assert await asking.allows(ASKED)
    await gone.close()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    # Once by each, and once that it is over.
    assert [text.split(" (")[0] for text in said] == ["auth_url does not answer"] * 2 + [
        "auth_url answers again"
    ]
    assert "pa:ss" not in caplog.text


async def test_many_who_ask_the_same_are_one_question_and_few_may_wait(
    decider: Decider, asking: External, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider.delay_s = 0.2
    impatient = asyncio.create_task(asking.allows(ASKED))
    others = [asyncio.create_task(asking.allows(ASKED)) for _ in range(20)]
    await asyncio.sleep(0.05)
    impatient.cancel()
    assert await asyncio.gather(*others) == [True] * 20
    assert len(decider.asked) == 1
    monkeypatch.setattr(external, "WAITING", 3)
    rooms = [asyncio.create_task(asking.allows(Request(Action.LISTEN, f"r{n}"))) for n in range(4)]
    done = await asyncio.gather(*rooms, return_exceptions=True)
    assert done[:3] == [True] * 3
    assert isinstance(done[3], PeerError)
    assert (done[3].status, done[3].code) == (503, "auth_busy")


async def test_tokens_of_ours_pass_unasked_and_all_else_is_asked(decider: Decider, asking: External) -> None:
    authorizer = Authorizer(house(EXTERNAL, KEY), None, asking)
    token = sign(KEY, Token("t1", ("main",), ("listen",), 9_999_999_999))
    ours = Request(Action.LISTEN, "main", token, "10.0.0.1")
    assert (await authorizer.check(ours)).by == "token"
    assert authorizer.check_now(ours) is not None
    assert decider.asked == []
    near = Request(Action.LISTEN, "main", "", "127.0.0.1")
    assert authorizer.check_now(near) is None
    assert await authorizer.check(near) == Grant("auth_url", "")
    decider.status = 403
    with pytest.raises(PeerError) as refused:
        await authorizer.check(Request(Action.LISTEN, "main", "theirs", "127.0.0.1"))
    assert (refused.value.status, refused.value.code) == (403, "bad_token")
    with pytest.raises(PeerError) as refused:
        await authorizer.check(Request(Action.LISTEN, "side", "", "127.0.0.1"))
    assert (refused.value.status, refused.value.code) == (401, "no_token")


def test_rules_that_ask_nobody_are_named() -> None:
    with pytest.raises(ValueError, match="access rule 1: it can never match: there is no auth_url"):
        parse([{"actions": ["listen"], "external": True}], ["main"])
    with pytest.raises(ValueError, match="auth_url is never asked"):
        parse([{"actions": ["listen"]}], ["main"], elsewhere=True)
    with pytest.raises(ValueError, match="either token or external"):
        parse([{"actions": ["listen"], "token": True, "external": True}], ["main"], elsewhere=True)
