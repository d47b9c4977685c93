"""DataChannel wire formats and their state machines: pure, no I/O, no clock. See PROTOCOL.md.

`down` is what a room's notes become for everyone, `up` what a performer's become for the server; each has its
messages as bytes, a sender and a receiver. Every module takes ``now_ns`` (monotonic ns) and bytes, and returns
bytes and events. The shells that own channels and timers are `rtcserver.room.member` and `rtcserver.client.midi`.
"""
