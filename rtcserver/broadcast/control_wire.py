"""The control messages of `rtcserver.broadcast.control` as records of JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any, TypeVar

from rtcserver.broadcast.check_messages import CHECK_TYPES
from rtcserver.broadcast.control import (
    MAX_MESSAGE,
    AddFeed,
    AddListener,
    AddSockets,
    AddStream,
    BroadcastReport,
    ListenerStats,
    Message,
    Ready,
    Refused,
    RemoveFeed,
    RemoveListener,
    RemoveStream,
    Resend,
    RoomCounters,
    SendStream,
    SetAddress,
    SetAnchor,
    SetCopied,
    SetKind,
    StatsRequest,
    Stop,
    WithoutBursts,
)
from rtcserver.broadcast.listener import ListenerCounters, ListenerSpec, Totals
from rtcserver.broadcast.srtp import SrtpProfile
from rtcserver.encode.encoding import Encoding
from rtcserver.errors import ProcessError
from rtcserver.transport.address import Address

_TYPES: dict[str, type[Any]] = {
    "add_sockets": AddSockets,
    "add_feed": AddFeed,
    "set_anchor": SetAnchor,
    "remove_feed": RemoveFeed,
    "without_bursts": WithoutBursts,
    "add_listener": AddListener,
    "set_address": SetAddress,
    "add_stream": AddStream,
    "send_stream": SendStream,
    "remove_stream": RemoveStream,
    "set_kind": SetKind,
    "set_copied": SetCopied,
    "remove_listener": RemoveListener,
    "resend": Resend,
    "stats_request": StatsRequest,
    "stop": Stop,
    "ready": Ready,
    "refused": Refused,
    "listener_stats": ListenerStats,
    "report": BroadcastReport,
    **CHECK_TYPES,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


def pack(message: Message) -> bytes:
    """One record. Raises ValueError if it is too long."""
    body: dict[str, Any] = {"type": _NAMES[type(message)]}
    match message:
        case AddListener(spec):
            body["spec"] = _plain(spec) | {"master": spec.master.hex()}
        case ListenerStats(rows):
            body["rows"] = list(map(_ROW, rows))
        case BroadcastReport():
            body |= asdict(message)
        case AddFeed(further=further):
            body |= _plain(message) | {"further": [encoding.to_values() for encoding in further]}
        case _:
            body |= _plain(message)
    data = json.dumps(body, separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE:
        raise ValueError(f"a control message of {len(data)} bytes")
    return data


def unpack(data: bytes) -> Message:
    """Parse a record. Raises ProcessError for anything that `pack` does not make."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProcessError(f"not a control message: {type(error).__name__}") from None
    return parse(body)


def parse(body: dict[str, Any]) -> Message:
    """A message from its JSON object, which is used up. Raises ProcessError as `unpack` does."""
    try:
        kind = _TYPES[body.pop("type")]
        return _parse(kind, body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # The data may hold keys: the message does not quote it.
        raise ProcessError(f"not a control message: {type(error).__name__}") from None


def _parse(kind: type[Any], body: dict[str, Any]) -> Message:
    if kind is AddListener:
        spec = body["spec"]
        spec["master"] = bytes.fromhex(spec["master"])
        spec["profile"] = SrtpProfile(spec["profile"])
        spec["destination"] = _address(spec["destination"])
        return AddListener(_build(ListenerSpec, spec))
    if kind is SetAddress:
        body["destination"] = _address(body["destination"])
    elif kind is AddFeed:
        body["further"] = tuple(map(Encoding.from_values, body["further"]))
    elif kind is ListenerStats:
        return ListenerStats(tuple(map(_counters, body["rows"])))
    elif kind is BroadcastReport:
        body["totals"] = _build(Totals, body["totals"])
        body["rooms"] = {room: _build(RoomCounters, row) for room, row in body["rooms"].items()}
        body["late_counts"] = tuple(body["late_counts"])
    elif kind is Resend:
        body["sequences"] = tuple(body["sequences"])
    elif kind is StatsRequest:
        body["listener_ids"] = tuple(body["listener_ids"])
    message: Message = _build(kind, body)
    return message


_T = TypeVar("_T")


def _build(kind: type[_T], values: dict[str, Any]) -> _T:
    """An instance whose plain fields have the declared types; more is the class's own to check."""
    for item in fields(kind):  # type: ignore[arg-type]  # every kind here is a dataclass
        wanted = _PLAIN.get(str(item.type))
        if wanted is not None and item.name in values and type(values[item.name]) is not wanted:
            raise ValueError(f"{item.name} is no {item.type}")
        if str(item.type) == "tuple[int, ...]" and any(type(n) is not int for n in values.get(item.name, ())):
            raise ValueError(f"{item.name} holds more than integers")
    return kind(**values)


_PLAIN: dict[str, type] = {"int": int, "str": str, "bool": bool}


def _plain(message: Any) -> dict[str, Any]:
    """The fields by name; an Address becomes a list. Without the deep copies of `asdict`."""
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    destination = values.get("destination")
    if isinstance(destination, Address):
        values["destination"] = [destination.host, destination.port, destination.scope_id]
    return values


def _address(value: Any) -> Address | None:
    if value is None:
        return None
    host, port, scope_id = value
    return _build(Address, {"host": host, "port": port, "scope_id": scope_id})


# Rows are the one thing that comes by the hundred a second: they are not built field by field.
_COLUMNS = tuple(item.name for item in fields(ListenerCounters))
_ROW = attrgetter(*_COLUMNS)


def _counters(row: list[int]) -> ListenerCounters:
    if len(row) != len(_COLUMNS) or any(type(value) is not int for value in row):
        raise ValueError("a row is not one of ListenerCounters")
    return ListenerCounters(*row)
