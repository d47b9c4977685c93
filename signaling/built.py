"""The page as it is delivered: few scripts, compressed once, at addresses that never change what they hold.

Everything below the static folder is also at ``/static/@VERSION/…``, where VERSION is a hash of all of it: a browser keeps
what it has from there for a year and asks for nothing again, and a changed file has another address (RFC 8246). Only the
pages themselves are asked for each time, and name the version. Relative addresses in scripts and styles hold as they are.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import rjsmin

from signaling.linker import link

# The machine's own table may map .js to text/plain, and a browser refuses such a module.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

OUTDATED = "page/outdated.js"
"""The script that a page gets whose version is gone, in place of its own: it reloads the page once."""

_STYLES = re.compile(r'(?:[ \t]*<link rel="stylesheet" href="[^"]+">\n?)+')
_STYLE = re.compile(r'href="((?:\.\./)*static/)([^"]+)"')
_SCRIPT = re.compile(r'<script type="module" src="(?:\.\./)*static/([^"]+)"')
_CLASSICS = re.compile(r'(?:[ \t]*<script src="[^"]+"></script>\n?)+')
_CLASSIC = re.compile(r'src="((?:\.\./)*static/)([^"]+)"')
_ADDRESS = re.compile(r'\b((?:src|href)="(?:\.\./)*static/)')
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"\n\s*")


def kind_of(path: str) -> str:
    """The media type of a file, by its name."""
    suffix = posixpath.splitext(path)[1].lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"


@dataclass(frozen=True)
class Piece:
    """A file in memory. body: compressed if `coded`. tag: a hash of what it holds, which has no quotes."""

    kind: str
    body: bytes
    coded: bool
    tag: str

    @classmethod
    def of(cls, path: str, content: bytes) -> Piece:
        """Compressed, where that saves anything: fonts and pictures are compressed already."""
        packed = gzip.compress(content, 9, mtime=0)
        coded = len(packed) < len(content)
        tag = hashlib.sha256(content).hexdigest()[:20]
        return cls(kind_of(path), packed if coded else content, coded, tag)

    def identity(self) -> bytes:
        """What it holds, for a client that does not take it compressed."""
        return gzip.decompress(self.body) if self.coded else self.body


@dataclass(frozen=True)
class Built:
    """The page of one start of the server.

    version: of all of it. pieces: by path below ``/static/@VERSION/``. pages: the HTML files by name, whose addresses
    name the version. entries: the scripts that pages name. outdated: see `OUTDATED`; None if there is no such module.
    """

    version: str
    pieces: dict[str, Piece]
    pages: dict[str, Piece]
    entries: frozenset[str]
    outdated: Piece | None

    def changed(self, page: str, changes: Iterable[tuple[str, str]]) -> Piece:
        """A page with the first of each pair replaced by the second, once. Raises KeyError if there is no such page."""
        content = self.pages[page].identity()
        for old, new in changes:
            content = content.replace(old.encode(), new.encode(errors="replace"), 1)
        return Piece.of(page, content)


def build(static: Path) -> Built:
    """Reads and compresses everything; takes about a tenth of a second.

    Raises OSError for what cannot be read, and `signaling.linker.LinkError` for scripts that cannot be linked.
    """
    static = static.resolve()
    contents = {path.relative_to(static).as_posix(): path.read_bytes() for path in sorted(_files(static))}
    pages = {
        name: content.decode()
        for name, content in contents.items()
        if name.endswith(".html") and "/" not in name
    }
    entries = {path for page in pages.values() for path in _SCRIPT.findall(page)}
    outdated = OUTDATED if OUTDATED in contents else None

    def read(path: str) -> str:
        if path not in contents:
            raise FileNotFoundError(f"{path}: a script imports it, and there is no such file")
        return contents[path].decode()

    scripts = link([*sorted(entries), *([outdated] if outdated else [])], read)
    made = {path: _lean(path, content) for path, content in contents.items() if not path.endswith(".html")}
    made |= {path: script.text.encode() for path, script in scripts.items()}
    for name, text in pages.items():
        pages[name] = _joined(_joined(text, made, _STYLES), made, _CLASSICS)
    whole = hashlib.sha256()
    for path, content in sorted(made.items()):
        whole.update(f"{path}\n{len(content)}\n".encode() + content)
    version = whole.hexdigest()[:12]
    pieces = {path: Piece.of(path, content) for path, content in made.items()}
    versioned = {
        name: Piece.of(name, _ADDRESS.sub(rf"\g<1>@{version}/", text).encode())
        for name, text in pages.items()
    }
    return Built(
        version, pieces, versioned, frozenset(entries), pieces[outdated] if outdated is not None else None
    )


def _files(static: Path) -> Iterator[Path]:
    """All files of the folder, but for hidden ones and links that lead out of it."""
    for path in static.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(static).parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(static):
            yield path


def _lean(path: str, content: bytes) -> bytes:
    """Scripts without comments, styles without comments and indentation; others as they are."""
    if path.endswith(".js"):
        return rjsmin.jsmin(content.decode()).encode()  # type: ignore[no-any-return]
    if path.endswith(".css"):
        return _SPACE.sub("\n", _CSS_COMMENT.sub("", content.decode())).strip().encode()
    return content


def _joined(page: str, made: dict[str, bytes], neighbours: re.Pattern[str]) -> str:
    """A page whose neighbouring style sheets, or scripts that are no modules, of one folder are one, which `made` gets."""
    named_by, suffix, element = (
        (_STYLE, ".css", '<link rel="stylesheet" href="{}">')
        if neighbours is _STYLES
        else (_CLASSIC, ".js", '<script src="{}"></script>')
    )

    def joined(match: re.Match[str]) -> str:
        named = named_by.findall(match[0])
        paths = [path for _, path in named]
        folders = {posixpath.dirname(path) for path in paths}
        if len(paths) < 2 or len(folders) != 1 or not all(path in made for path in paths):
            return match[0]
        stems = [posixpath.basename(path).removesuffix(suffix) for path in paths]
        whole = posixpath.join(folders.pop(), "+".join(stems) + suffix)
        made[whole] = b"\n".join(made[path] for path in paths)
        return f"    {element.format(named[0][0] + whole)}\n"

    return neighbours.sub(joined, page)
