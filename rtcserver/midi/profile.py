"""Instrument profiles: how one kind of instrument wants its MIDI. Pure; `rtcserver.midi.profile_file` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rtcserver.midi import message as m


@dataclass(frozen=True, slots=True)
class PortRules:
    """Which port is the music. Patterns are shell-like, of whole stable names, whatever their case.

    contains: one of these is part of the name of every port of the instrument; empty: any port.
    music: patterns of the ports that take notes. left_alone: patterns of ports that are never opened.
    """

    contains: tuple[str, ...] = ()
    music: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SoundScheme:
    """One way of choosing a sound: bank and program numbers, all from 0, and how to show them.

    layout: ``grid`` (banks × programs), ``list`` (by name), ``numbers``. bank_msb None: no bank select.
    """

    id: str
    title: str
    layout: str
    bank_msb: int | None
    bank_lsb: tuple[int, int]
    program: tuple[int, int]
    bank_title: str
    program_title: str
    bank_names: tuple[str, ...]
    program_names: tuple[str, ...]
    groups: tuple[str, ...]
    note: str

    def messages(self, channel: int, bank: int, program: int) -> list[bytes]:
        """Bank select and program change, in the order that the standard asks for."""
        banks = []
        if self.bank_msb is not None:
            banks = [
                m.control(channel, m.BANK_MSB, self.bank_msb),
                m.control(channel, m.BANK_LSB, bank),
            ]
        return [*banks, m.program(channel, program)]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "layout": self.layout,
            "bank_msb": self.bank_msb,
            "banks": [self.bank_lsb[0], self.bank_lsb[1]],
            "programs": [self.program[0], self.program[1]],
            "bank_title": self.bank_title,
            "program_title": self.program_title,
            "bank_names": list(self.bank_names),
            "program_names": list(self.program_names),
            "groups": list(self.groups),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One thing to set up at the instrument."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of instrument.

    play_channel: the channel that pages play on, from 0. one_channel: the instrument plays on that channel
    only, and what performers send on others goes there. programs: performers may choose sounds.
    system_exclusive: longest SysEx in bytes from those it is granted to. file_programs, file_drums: whether a
    MIDI file's programs and its drum channel (10) are played.
    """

    id: str
    name: str
    port: PortRules
    play_channel: int
    one_channel: bool
    programs: bool
    system_exclusive: int
    file_programs: bool
    file_drums: bool
    sounds: tuple[SoundScheme, ...]
    checklist: tuple[ChecklistItem, ...]

    @property
    def channels(self) -> range:
        """The channels that anything may sound on, from 0."""
        return range(self.play_channel, self.play_channel + 1) if self.one_channel else range(m.CHANNELS)

    def select(self, sound: str, channel: int | None = None) -> list[bytes]:
        """The messages that choose `sound`, called ``scheme/bank/program``, all numbers from 0.

        Raises ValueError with a sentence for whoever asked.
        """
        scheme_id, _, numbers = sound.partition("/")
        scheme = next((scheme for scheme in self.sounds if scheme.id == scheme_id), None)
        match = re.fullmatch(r"(\d{1,3})/(\d{1,3})", numbers)
        if scheme is None or match is None:
            allowed = " or ".join(f"{scheme.id}/BANK/PROGRAM" for scheme in self.sounds)
            raise ValueError(f"there is no sound {sound[:64]!r}; allowed is {allowed}")
        bank, program = int(match[1]), int(match[2])
        for what, value, (low, high) in (
            ("bank", bank, scheme.bank_lsb),
            ("program", program, scheme.program),
        ):
            if not low <= value <= high:
                raise ValueError(
                    f"{what} {value} does not exist in {scheme.title}; allowed are {low} to {high}"
                )
        return scheme.messages(self.play_channel if channel is None else channel, bank, program)

    def sound_of(self, msb: int, lsb: int, program: int) -> str | None:
        """The name of what bank and program numbers choose, as in `select`; None if no scheme has it."""
        for scheme in self.sounds:
            bank = 0 if scheme.bank_msb is None else lsb
            if (
                scheme.bank_msb in (None, msb)
                and scheme.bank_lsb[0] <= bank <= scheme.bank_lsb[1]
                and scheme.program[0] <= program <= scheme.program[1]
            ):
                return f"{scheme.id}/{bank}/{program}"
        return None

    def summary(self) -> dict[str, Any]:
        """What every page needs at once."""
        return {
            "id": self.id,
            "name": self.name,
            "channel": self.play_channel,
            "one_channel": self.one_channel,
        }

    def to_json(self) -> dict[str, Any]:
        """All that the page shows: the summary, sounds and the set-up checklist."""
        return {
            **self.summary(),
            "programs": self.programs,
            "sounds": [scheme.to_json() for scheme in self.sounds],
            "checklist": [{"title": item.title, "text": item.text} for item in self.checklist],
        }
