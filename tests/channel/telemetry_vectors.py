"""What Python and JavaScript must agree on in the messages of the ``telemetry`` channel; see `tests.channel.vectors`."""

from __future__ import annotations

from typing import Any

from rtcserver.channel import telemetry
from rtcserver.channel.wire import ProtocolError

Json = dict[str, Any]


def telemetry_vectors() -> Json:
    """What a client builds, and what the server makes of it; what a client refuses."""
    built: list[tuple[str, list[Any], str]] = [
        ("hello", ["Ada Ω"], '{"type":"hello","version":1,"name":"Ada Ω"}'),
        ("hello", [None], '{"type":"hello","version":1}'),
        ("auth", ["abc.def", "Ada"], '{"type":"auth","token":"abc.def","name":"Ada"}'),
        ("select", ["live/3/5"], '{"type":"select","sound":"live/3/5"}'),
        ("select", ["gm/0/5", 9], '{"type":"select","sound":"gm/0/5","channel":9}'),
        ("panic", [True], '{"type":"panic","all":true}'),
        ("panic", [], '{"type":"panic","all":false}'),
        ("player", [{"action": "play", "file": "f1"}], '{"type":"player","action":"play","file":"f1"}'),
        (
            "player",
            [{"action": "seek", "position_s": 1.5}],
            '{"type":"player","action":"seek","position_s":1.5}',
        ),
        ("player", [{"action": "tempo", "tempo": 0.5}], '{"type":"player","action":"tempo","tempo":0.5}'),
        ("player", [{"action": "stop"}], '{"type":"player","action":"stop"}'),
        ("sysex", [[240, 126, 0, 247]], '{"type":"sysex","data":"f07e00f7"}'),
        ("tier", ["low"], '{"type":"tier","tier":"low"}'),
        ("tier", [None], '{"type":"tier","tier":null}'),
        (
            "stats",
            [{"packets": 100, "rtt_ms": 1.23456, "lost": None, "midi_skew_ms": -3.5}],
            '{"type":"stats","packets":100,"rtt_ms":1.235,"midi_skew_ms":-3.5}',
        ),
    ]
    return {
        "fields": list(telemetry.STATS_FIELDS),
        "client": [
            {
                "build": name,
                "arguments": arguments,
                "text": text,
                "parsed": _said(telemetry.parse_client(text)),
            }
            for name, arguments, text in built
        ],
        "server": [
            '{"type":"welcome","version":1,"session":"s","room":"main","role":"listener","performer":null,'
            '"mode":"listen","rtp_offset":4294967295,"media_time":-5,"profile":null,"performers":[],"player":null,'
            '"limits":{}}',
            '{"type":"performers","performers":[{"id":3,"name":"Ada"}]}',
            '{"type":"tier","tier":"low","pinned":null,"frame_ms":20.0,'
            '"tiers":[{"tier":"middle","bps":160000},{"tier":"low","bps":36000}]}',
            '{"type":"error","code":"refused","message":"No."}',
        ],
        "refused_server": [
            {"text": text, "code": server_refusal(text)}
            for text in (
                "",
                "[]",
                "null",
                '{"type":"nonsense"}',
                '{"type":"welcome","version":2,"rtp_offset":0,"media_time":0}',
                '{"type":"welcome","version":1,"rtp_offset":4294967296,"media_time":0}',
                '{"type":"welcome","version":1,"rtp_offset":0}',
                '{"type":"tier","tier":"low","pinned":null,"frame_ms":20}',
                '{"type":"tier","tier":"low","pinned":null,"frame_ms":"20","tiers":[]}',
                '{"type":"tier","tier":"low","pinned":null,"frame_ms":20,"tiers":[{"tier":1,"bps":160000}]}',
                '{"type":"error","message":"' + "x" * 4096 + '"}',
            )
        ],
    }


def _said(message: telemetry.ClientMessage) -> str:
    """The message as the files have it: its type on the wire, then its members."""
    name = telemetry.TYPES[type(message)].title().replace("_", "")
    return f"{name}({repr(message).partition('(')[2]}"


def server_refusal(text: str) -> str:
    """The code with which a client refuses this text."""
    try:
        telemetry.parse_server(text)
    except ProtocolError as error:
        return error.code
    raise AssertionError(f"not refused: {text}")
