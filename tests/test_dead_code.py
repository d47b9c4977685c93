"""Nothing in the server is there for its own tests alone: functions, methods, properties and classes are used."""

from __future__ import annotations

from vulture import Vulture

from tests.realtime import ROOT

KINDS = {"function", "method", "property", "class"}
"""Fields are left out: those of a wire format are written whole, whoever reads them."""
ALLOWED = {
    **dict.fromkeys(
        ("connection_made", "connection_lost", "data_received", "eof_received", "datagram_received"),
        "asyncio calls it",
    ),
    "response_received": "aioice's STUN protocol calls it",
    "create_module": "the import system calls it",
    "exec_module": "the import system calls it",
    "_send_data": "aiortc's SCTP transport calls it",
    "_send_rtp": "aiortc's senders call it",
    "StudioSignaling": "named by a string on the load generator's command line",
    "JanusDataSignaling": "named by a string, as a benchmark's signaling",
    "PluckedString": "named by the entry point of the example's package",
    "subscribe_notes": "a door: for readers of a room's notes",
    "get_nowait": "a door: for readers of a room's sound",
    "payload_name": "a codec's protocol",
    "clock_rate": "a codec's protocol",
    "to_int": "a door: for readers of a room's PCM",
    "remove_feed": "a message of the broadcast process's protocol: rooms do not go while the server runs",
    "example": "makes rtcserver.example.toml, which a test holds against it",
    "wait_heard": "for who plays by the headless client from Python",
    "drift": "what the shared vectors pin of the clock in both languages",
    "paths": "shows how many paths the registry holds",
    "next_media_time": "shows where the timeline stands",
}


def test_what_is_there_is_used() -> None:
    found = Vulture()
    folders = [ROOT / name for name in ("rtcserver", "signaling", "benchmarks", "examples")]
    found.scavenge([str(folder) for folder in folders if folder.is_dir()])
    unused = [
        f"{item.filename}:{item.first_lineno} {item.typ} {item.name}"
        for item in found.get_unused_code(min_confidence=60)
        if item.typ in KINDS and item.name not in ALLOWED
    ]
    assert unused == []
