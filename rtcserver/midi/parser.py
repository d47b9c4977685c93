"""A stream of MIDI 1.0 bytes → complete messages. Pure.

Rules from *The Complete MIDI 1.0 Detailed Specification*, 96.1, section "Data format" and its appendix
on receivers:

- A channel status byte stays in force (running status) until another status byte below F8.
- System common and System Exclusive end running status; real-time bytes touch nothing and may stand
  anywhere, inside System Exclusive too.
- System Exclusive ends with F7; any other status byte below F8 ends it as well, and then it is
  incomplete and dropped.
- Undefined statuses (F4, F5, F9, FD) are ignored: F4 and F5 end running status, and the data bytes behind
  them are dropped.
"""

from __future__ import annotations

from rtcserver.midi.message import CLOCK, END_OF_SYSEX, MAX_SYSEX, SYSEX, data_bytes


class StreamParser:
    """One direction of one cable. Feed it bytes however they were cut.

    Counters: `malformed` messages that were broken off by a status byte, `orphans` data bytes with no
    status in force, `undefined` statuses, `oversized` System Exclusive messages beyond `max_sysex` bytes.
    """

    def __init__(self, max_sysex: int = MAX_SYSEX) -> None:
        self.max_sysex = max_sysex
        self.malformed = 0
        self.orphans = 0
        self.undefined = 0
        self.oversized = 0
        self._status = 0
        """Status byte that data bytes belong to; 0 when there is none."""
        self._running = False
        self._data = bytearray()
        self._sysex: bytearray | None = None
        self._skipping = False
        """Inside a System Exclusive that is too long already."""

    @property
    def faults(self) -> int:
        """All that was counted as wrong."""
        return self.malformed + self.orphans + self.undefined + self.oversized

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in the order in which they ended."""
        messages: list[bytes] = []
        for byte in data:
            if byte >= CLOCK:
                if data_bytes(byte) is None:
                    self.undefined += 1
                else:
                    messages.append(bytes((byte,)))
            elif byte >= 0x80:
                self._take_status(byte, messages)
            else:
                self._take_data(byte, messages)
        return messages

    def reset(self) -> None:
        """Forget what is half there, as after a replugged cable."""
        self._status, self._running, self._sysex, self._skipping = 0, False, None, False
        self._data.clear()

    def _take_status(self, byte: int, messages: list[bytes]) -> None:
        if self._sysex is not None:
            self._end_sysex(byte, messages)
            if byte == END_OF_SYSEX:
                return
        elif self._data:
            self.malformed += 1
            self._data.clear()
        elif self._status and not self._running:
            # A status byte whose data never came.
            self.malformed += 1
        self._status, self._running = 0, False
        if byte == SYSEX:
            self._sysex, self._skipping = bytearray((SYSEX,)), False
            return
        if byte == END_OF_SYSEX:
            self.malformed += 1
            return
        count = data_bytes(byte)
        if count is None:
            self.undefined += 1
        elif count == 0:
            messages.append(bytes((byte,)))
        else:
            self._status = byte

    def _take_data(self, byte: int, messages: list[bytes]) -> None:
        if self._sysex is not None:
            # One byte is kept for the F7.
            if len(self._sysex) >= self.max_sysex - 1:
                self._skipping = True
            else:
                self._sysex.append(byte)
            return
        if not self._status:
            self.orphans += 1
            return
        self._data.append(byte)
        if len(self._data) == data_bytes(self._status):
            messages.append(bytes((self._status,)) + self._data)
            self._data.clear()
            if self._status < SYSEX:
                self._running = True
            else:
                self._status = 0

    def _end_sysex(self, byte: int, messages: list[bytes]) -> None:
        assert self._sysex is not None
        if self._skipping:
            self.oversized += 1
        elif byte != END_OF_SYSEX:
            self.malformed += 1
        else:
            messages.append(bytes(self._sysex) + bytes((END_OF_SYSEX,)))
        self._sysex, self._skipping = None, False
