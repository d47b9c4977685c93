"""The text of a MIDI file's title, whose encoding no file says. Pure.

*Standard MIDI Files 1.0* (RP-001) promises ASCII; files have UTF-8, UTF-16, Shift-JIS (Japan) or Windows-1252 and Latin-1.
"""

from __future__ import annotations

MAX_TITLE = 80
"""Characters of a title that are kept."""

_MAX_BYTES = 4 * MAX_TITLE
_QUOTES = frozenset((0x85, *range(0x91, 0x98)))
"""Windows-1252's ellipsis, quotation marks, bullet and dashes: the only bytes of 80 to 9F in most western titles."""


def decode(data: bytes) -> str:
    """A title for people: printable characters only, at most `MAX_TITLE`; empty if there is nothing to read."""
    data = data[:_MAX_BYTES]
    text = _wide(data)
    if text is None:
        text = _text(data.split(b"\0", 1)[0])
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_TITLE].strip()


def _wide(data: bytes) -> str | None:
    """The text if `data` is UTF-16: it begins with its mark, or every other byte of a Latin text is 0."""
    data = data[: len(data) // 2 * 2]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif len(data) >= 4 and not any(data[1::2]) and all(data[::2]):
        encoding = "utf-16-le"
    elif len(data) >= 4 and not any(data[::2]) and all(data[1::2]):
        encoding = "utf-16-be"
    else:
        return None
    return data.decode(encoding, "replace").split("\0", 1)[0].removeprefix("\ufeff")


def _text(data: bytes) -> str:
    for cut in (0, 1, 2, 3):
        # The bound above may have cut the last character.
        if cut and len(data) < _MAX_BYTES:
            break
        try:
            return data[: len(data) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    if (japanese := _japanese(data)) is not None:
        return japanese
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _japanese(data: bytes) -> str | None:
    """The text if `data` is Shift-JIS, None if it is more likely a western one.

    Nearly every pair of bytes is *some* character of Shift-JIS, so that it decodes is not enough: kana decide,
    which no western text has by chance, or that most of the text is Japanese.
    """
    high = [byte for byte in data if byte >= 0x80]
    if all(byte in _QUOTES for byte in high):
        return None
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        if len(data) < _MAX_BYTES:
            return None
        try:
            text = data[:-1].decode("cp932")
        except UnicodeDecodeError:
            return None
    if any("\u3041" <= c <= "\u30fe" for c in text):
        return text
    wide = 2 * sum("\u3000" <= c <= "\u9fff" or "\uff01" <= c <= "\uff5e" for c in text)
    narrow = sum("\uff61" <= c <= "\uff9f" for c in text)
    seen = sum(byte > 0x20 for byte in data)
    # Western capitals with accents share their bytes with half-width kana: three of them make no word.
    return text if 2 * wide > seen or (narrow >= 4 and 2 * narrow > seen) else None
