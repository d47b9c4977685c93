"""DataChannel wire formats and their state machines: pure, no I/O, no clock. See PROTOCOL.md.

Every module takes ``now_ns`` (monotonic ns) and bytes, and returns bytes and events. The shells that
own channels and timers live elsewhere.
"""
