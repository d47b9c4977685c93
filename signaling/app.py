"""The aiohttp application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from rtcserver.access.admission import Admission
from rtcserver.access.authorizer import Authorizer
from rtcserver.access.removals import Removals
from rtcserver.peer.base import PeerBackend
from signaling import clocks
from signaling.admin import Admin, Tokens
from signaling.entrance import AUTHORIZER, Entrance, unhurried
from signaling.forwarded import PROXIES, Proxies
from signaling.gate import tell_gate
from signaling.headers import SELF, security
from signaling.ice_servers import Told
from signaling.invitations import Invitations, Inviting
from signaling.limits import Limits
from signaling.live import Live, Streams
from signaling.metrics import MetricsPage
from signaling.oembed import Oembed
from signaling.pages import Pages
from signaling.people import Desks, People
from signaling.respond import REFUSED, Headers, error_boundary
from signaling.rights import Rights
from signaling.rooms import RoomDirectory
from signaling.share import Share
from signaling.sounds import Files, Instruments, Sounds
from signaling.whep import Whep
from signaling.whose import Allowed, guard


class Kept(Tokens, Inviting, Protocol):
    """What keeps tokens: all that is asked of it."""


STATIC = Path(__file__).resolve().parent.parent / "static"


def create_app(
    rooms: RoomDirectory,
    backend: PeerBackend,
    authorizer: Authorizer,
    *,
    admission: Admission | None = None,
    limits: Limits | None = None,
    static: Path = STATIC,
    authority: Path | None = None,
    instruments: Instruments | None = None,
    desks: Desks | None = None,
    metrics: Callable[[], bytes] | None = None,
    tokens: Kept | None = None,
    trusted_proxies: Sequence[str] = (),
    frame_ancestors: str = SELF,
    embed_ancestors: str = "",
    allowed: Allowed | None = None,
    refused: Callable[[str, str], None] | None = None,
    ice_servers: Told | None = None,
    streams: Streams | None = None,
    built: bool = True,
) -> web.Application:
    """All routes of the server. It neither starts nor closes the backend; `signaling.serve` serves it.

    authorizer: asked for each request. authority: PEM file for ``/ca.pem``, if there is a local authority.
    instruments, metrics: what `signaling.sounds` and `signaling.metrics` serve, if the transport has it. tokens:
    what `signaling.admin` shows and revokes, and `signaling.invitations` adds to. desks: what `signaling.people` is told
    by, if the transport has them.

    trusted_proxies: addresses and networks, see `signaling.forwarded`. frame_ancestors: see
    `signaling.headers.security`; embed_ancestors: the same for the small player, "" for no other ones.
    allowed: hosts and origins, see `signaling.whose`; None asks for neither.
    refused: told of each refusal, see `signaling.respond.REFUSED`. ice_servers: the STUN and TURN servers that
    listeners are told of. streams: the rooms' sound for other players, see `signaling.live`. built: deliver the page as
    `signaling.built` makes it, or else file by file.

    Serve it with ``handler_cancellation=True``, as `signaling.serve.HttpServer` does: then a client
    that leaves while its answer is made ends that work at once.
    """
    bounds = limits or Limits()
    guards = [] if allowed is None else [guard(allowed)]
    places = admission or Admission()
    app = web.Application(
        middlewares=[tell_gate, error_boundary, unhurried(places), *guards],
        client_max_size=bounds.max_body_bytes,
    )
    app[PROXIES] = Proxies(trusted_proxies)
    if refused is not None:
        app[REFUSED] = refused
    app[AUTHORIZER] = authorizer
    entrance = Entrance(authorizer)
    told = ice_servers if ice_servers is not None else Told()
    removals = Removals()
    whep = Whep(rooms, backend, entrance, places, bounds, told, removals)
    app.add_routes(whep.routes())
    app.add_routes(Live(rooms, entrance, places, bounds, streams, removals).routes())
    app.add_routes(People(rooms, backend, entrance, places, bounds, removals, desks).routes())
    app.add_routes(Invitations(rooms, entrance, places, bounds, tokens).routes())
    pages = Pages(rooms, backend, entrance, bounds, static, authority, told, built=built)
    app.add_routes(pages.routes())
    app.add_routes(Rights(rooms, entrance).routes())
    app.add_routes(clocks.routes())
    app.add_routes(Sounds(rooms, entrance, instruments).routes())
    app.add_routes(Files(rooms, entrance, instruments, places, bounds).routes())
    app.add_routes(Admin(backend, entrance, tokens).routes())
    app.add_routes(MetricsPage(entrance, metrics).routes())
    app.add_routes(Oembed(rooms, entrance).routes())
    # Its short links come last: what has an address of its own keeps it.
    app.add_routes(Share(rooms, pages, embed_ancestors or frame_ancestors).routes())
    app.on_response_prepare.append(Headers(security(frame_ancestors)))

    async def cleanup(_: web.Application) -> None:
        await whep.close()

    app.on_cleanup.append(cleanup)
    return app
