"""What somebody may do in a room is told before they try, and the server's clock to whoever asks."""

from __future__ import annotations

from pathlib import Path

from rtcserver.access.door import Action, Door, Grant, Refusal, Request
from rtcserver.clock import NS, wall_ns
from rtcserver.errors import PeerError
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


async def test_what_cannot_be_found_out_is_no_refusal(static: Path) -> None:
    def unknown(request: Request, now_s: float) -> Grant:
        raise PeerError(503, "auth_unreachable", "Nobody can say.")

    async with serve(static, door=Door(dict.fromkeys(Action, unknown))) as served:
        status, body = await asked(served, "any")
        assert (status, body["error"]) == (503, "auth_unreachable")


async def test_the_clock_is_this_machines(static: Path) -> None:
    async with serve(static, door=Door({})) as served:
        before = wall_ns() / NS
        async with served.http.get(served.url("/api/clock")) as response:
            said = (await response.json())["time_ms"] / 1000
            assert response.headers["Cache-Control"] == "no-store"
        assert before - 0.001 <= said <= wall_ns() / NS + 0.001
