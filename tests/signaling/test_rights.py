"""What somebody may do in a room is told before they try, and the server's clock to whoever asks."""

from __future__ import annotations

from pathlib import Path

from rtcserver.access.door import Action, Ask, Door, Grant, Refusal, Request
from rtcserver.clock import NS, wall_ns
from tests.signaling.served import Served, serve


def door(request: Request, now_s: float) -> Grant | Refusal:
    if request.action is Action.LISTEN or request.credential == "good":
        return Grant()
    return Refusal(403, "bad_token", f"Not with {len(request.credential)} characters.")


async def asked(served: Served, token: str, room: str = "main") -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with served.http.get(served.url(f"/api/rooms/{room}/rights"), headers=headers) as response:
        return response.status, await response.json()


async def test_each_right_is_told_or_why_not(static: Path) -> None:
    allowed = {"allowed": True}
    async with serve(static, door=Door(dict.fromkeys(Action, door))) as served:
        assert await asked(served, "good") == (200, {"listen": allowed, "perform": allowed})
        for token in ("", "bad", "x" * 2000):
            refused = {
                "allowed": False,
                "error": "bad_token",
                "message": f"Not with {len(token)} characters.",
            }
            assert await asked(served, token) == (200, {"listen": allowed, "perform": refused})
        status, body = await asked(served, "good", "nowhere")
        assert (status, body["error"]) == (404, "no_such_room")


async def test_nobody_else_is_asked_and_no_password_is_looked_at(static: Path) -> None:
    def elsewhere(request: Request, now_s: float) -> Ask:
        return Ask(Grant("user", "anna"), True, Refusal(401, "no_token", "Show something."))

    async with serve(static, door=Door(dict.fromkeys(Action, elsewhere))) as served:
        unknown = {"allowed": None}
        assert await asked(served, "any") == (200, {"listen": unknown, "perform": unknown})


async def test_the_clock_is_this_machines(static: Path) -> None:
    async with serve(static, door=Door({})) as served:
        before = wall_ns() / NS
        async with served.http.get(served.url("/api/clock")) as response:
            said = (await response.json())["time_ms"] / 1000
            assert response.headers["Cache-Control"] == "no-store"
        assert before - 0.001 <= said <= wall_ns() / NS + 0.001
