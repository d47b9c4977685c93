"""What a phrase of ``client --send`` means."""

from __future__ import annotations

import pytest

from rtcserver.client.midi import note_name, token_of
from rtcserver.client.phrase import NOTE_MS, VELOCITY, Step, parse_phrase


def test_notes_chords_rests_lengths_and_velocities() -> None:
    assert parse_phrase("C4 C4+E4+G4:800:110 -:200 Bb3 f#5:50") == [
        Step((60,), NOTE_MS, VELOCITY),
        Step((60, 64, 67), 800, 110),
        Step((), 200, VELOCITY),
        Step((58,), NOTE_MS, VELOCITY),
        Step((78,), 50, VELOCITY),
    ]


@pytest.mark.parametrize(
    "text", ["", "H4", "C", "C4:", "C4:0", "C4:100:128", "C4:1:0", "C12", "G#9", "C4+", "::"]
)
def test_what_is_no_phrase_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"phrase|no |allowed"):
        parse_phrase(text)


@pytest.mark.parametrize(("note", "name"), [(0, "C-1"), (21, "A0"), (60, "C4"), (61, "C#4"), (127, "G9")])
def test_names_of_notes_read_back(note: int, name: str) -> None:
    assert note_name(note) == name
    assert parse_phrase(name)[0].notes == (note,)


def test_the_token_is_in_the_fragment() -> None:
    assert token_of("http://host:8080/r/main#perform=abc.DEF-_") == "abc.DEF-_"
    assert token_of("http://host:8080/r/main?perform=abc") == ""
