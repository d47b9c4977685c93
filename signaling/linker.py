"""Several modules of the page as one script: fewer requests, the same meaning. Pure: texts in, texts out.

A browser asks for a module before it learns what that one imports, and over HTTP/1.1 for six at a time: 60 modules are many
round trips. Here each module becomes a function that is called once and returns what the module exports, and they stand in
the order in which a browser would evaluate them (ECMA-262, section 16.2.1.5.3), so that each finds what it imports::

    const $1=(()=>{...;return{spread}})();
    const $2=(()=>{const{spread}=$1;...;return{backoffMs}})();
    export const{backoffMs}=$2;

This is exact for modules that keep to a part of the language, which is checked: imports come first and name what they take,
nothing that is exported changes later, no imports run in a circle, and every address of another file is a literal beside
``import.meta.url``. A module that another one imports by ``import("./later.js")`` begins a script of its own, which takes
what is loaded already from the script that asked for it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

import rjsmin

Read = Callable[[str], str]
"""The text of a module by its path, such as "page/main.js". Raises OSError."""


class LinkError(ValueError):
    """A module that this linker does not link, with its path and why."""


_NAME = r"[\w$]+"
_IMPORT = re.compile(
    rf'\s*import(?:\{{(?P<names>[^}}]*)\}}|\*as (?P<all>{_NAME}) )from"(?P<path>[^"]+)";?|\s*import"(?P<only>[^"]+)";?'
)
_PASSED_ON = re.compile(r'(?:^|(?<=[;}\n]))export\{(?P<names>[^}]*)\}from"(?P<path>[^"]+)";?')
_EXPORT = re.compile(
    rf"(?:^|(?<=[;}}\n]))export (?P<said>(?P<kind>const|class|function\*?|async function\*?) ?(?P<name>{_NAME}))"
)
_LATER = re.compile(r'(?<![\w$.])import\("(?P<path>[^"]+)"\)')
_SCRIPT = re.compile(r'new URL\("(?P<path>[^"]+\.js)",import\.meta\.url\)')
_OWN = "import.meta.url"
_LEFT = re.compile(r"(?:^|(?<=[;}\n]))(?:import\b(?!\.meta)(?!\()|export\b)")


@dataclass(frozen=True)
class Module:
    """One module, read.

    text: its code, without the statements that import and without the word ``export``. imports: of each statement the path
    of the other module and what binds its names here, with ``%s`` for that module. exports: ``name``, or ``name:value``.
    later: the modules that it imports when they are needed. scripts: those that it starts as a worker or a worklet.
    """

    path: str
    text: str
    imports: tuple[tuple[str, str], ...]
    exports: tuple[str, ...]
    later: tuple[str, ...]
    scripts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What others can import."""
        return tuple(one.partition(":")[0] for one in self.exports)


@dataclass(frozen=True)
class Script:
    """A linked script, to be served at the path of the module that it begins with.

    later, scripts: the paths of those that it loads when they are needed, and of its workers and worklets.
    """

    path: str
    text: str
    later: tuple[str, ...]
    scripts: tuple[str, ...]


def read_module(path: str, source: str) -> Module:
    """What a module says. Raises LinkError."""
    text = rjsmin.jsmin(source)
    imports: list[tuple[str, str]] = []
    exports: list[str] = []
    while match := _IMPORT.match(text):
        text = text[match.end() :]
        if match["only"]:
            binding = ""
        elif match["all"]:
            binding = f"const {match['all']}=%s;"
        else:
            binding = f"const{{{_pairs(match['names'])}}}=%s;"
        imports.append((_beside(path, match["path"] or match["only"]), binding))
    for number, match in enumerate(_PASSED_ON.finditer(text)):
        imports.append((_beside(path, match["path"]), f"const $from{number}=%s;"))
        for pair in _pairs(match["names"]).split(","):
            name, _, renamed = pair.partition(":")
            exports.append(f"{renamed or name}:$from{number}.{name}")
    text = _PASSED_ON.sub("", text)
    exports += [match["name"] for match in _EXPORT.finditer(text)]
    text = _EXPORT.sub(lambda match: match["said"], text)
    if left := _LEFT.search(text):
        raise LinkError(f"{path}: this cannot be linked: {text[left.start() : left.start() + 60]!r}")
    if len(set(exports)) != len(exports):
        raise LinkError(f"{path}: a name is exported twice")
    later = tuple(_beside(path, match["path"]) for match in _LATER.finditer(text))
    scripts = tuple(_beside(path, match["path"]) for match in _SCRIPT.finditer(text))
    return Module(path, text.strip(), tuple(imports), tuple(exports), later, scripts)


def link(entries: list[str], read: Read) -> dict[str, Script]:
    """The scripts for these modules, which pages name, and for all that they load later or start; by path.

    Raises LinkError; whatever `read` raises passes.
    """
    modules: dict[str, Module] = {}

    def module(path: str) -> Module:
        if path not in modules:
            modules[path] = read_module(path, read(path))
        return modules[path]

    linked: dict[str, Script] = {}
    todo = list(dict.fromkeys(entries))
    while todo:
        entry = todo.pop()
        if entry in linked:
            continue
        order = _order(entry, module)
        later = [path for one in order for path in module(one).later]
        scripts = [path for one in order for path in module(one).scripts]
        parts: dict[str, list[str]] = {}
        for path in dict.fromkeys(later):  # a module asked for in two places is one script
            part = [one for one in _order(path, module) if one not in order]
            if path not in part or path in linked or any(set(part) & set(other) for other in parts.values()):
                raise LinkError(f"{path}: it is loaded later, but some of it is elsewhere, too")
            if any(module(one).later for one in part):
                raise LinkError(f"{path}: what is loaded later cannot load more")
            parts[path] = part
        linked[entry] = _script(entry, order, module, lent=sorted(_taken(parts, order, module)))
        for path, part in parts.items():
            linked[path] = _script(path, part, module, lender=entry)
            scripts += linked[path].scripts
        todo += scripts
    return linked


def _order(entry: str, module: Callable[[str], Module]) -> list[str]:
    """A module and all that it imports, in the order of their evaluation. Raises LinkError for a circle."""
    order: list[str] = []
    open_: list[str] = []

    def visit(path: str) -> None:
        if path in open_:
            raise LinkError(f"{path}: it imports itself by {' and '.join(open_[open_.index(path) + 1 :])}")
        if path in order:
            return
        open_.append(path)
        for other, _ in module(path).imports:
            visit(other)
        open_.pop()
        order.append(path)

    visit(entry)
    return order


def _taken(parts: dict[str, list[str]], order: list[str], module: Callable[[str], Module]) -> set[str]:
    """What scripts that are loaded later import of the first one's modules."""
    used = {path for part in parts.values() for one in part for path, _ in module(one).imports}
    return used & set(order)


def _script(
    entry: str,
    order: list[str],
    module: Callable[[str], Module],
    *,
    lent: list[str] | None = None,
    lender: str = "",
) -> Script:
    """lent: modules that scripts take from this one. lender: the script that this one takes its other modules from."""
    lines: list[str] = []
    taken = {path for one in order for path, _ in module(one).imports} - set(order)
    if taken:
        lines.append(f'import{{{",".join(map(_handle, sorted(taken)))}}}from"{_relative(lender, entry)}";')
    for path in order:
        one = module(path)
        for other, binding in one.imports:
            _check_names(one, module(other), binding)
        bound = "".join(binding % _handle(other) for other, binding in one.imports if binding)
        text = one.text
        if path != entry:
            # The address of this script stands for the module's own.
            own = f'new URL("{_relative(path, entry)}",{_OWN})'
            text = text.replace(_OWN, own)
            for other in one.later:
                text = text.replace(
                    f'import("{_relative(other, path)}")', f'import("{_relative(other, entry)}")'
                )
        result = f"return{{{','.join(one.exports)}}}" if one.exports else ""
        lines.append(f"const {_handle(path)}=(()=>{{{bound}{text}\n{result}}})();")
    names = module(entry).names
    if names:
        lines.append(f"export const{{{','.join(names)}}}={_handle(entry)};")
    if lent:
        lines.append(f"export{{{','.join(map(_handle, lent))}}};")
    later = [path for one in order for path in module(one).later]
    scripts = [path for one in order for path in module(one).scripts]
    return Script(entry, "\n".join(lines) + "\n", tuple(dict.fromkeys(later)), tuple(dict.fromkeys(scripts)))


def _check_names(module: Module, other: Module, binding: str) -> None:
    match = re.fullmatch(r"const\{(.*)\}=%s;", binding)
    for pair in match[1].split(",") if match else ():
        name = pair.partition(":")[0]
        if name and name not in other.names:
            raise LinkError(f"{module.path}: {other.path} exports no {name}")


def _pairs(names: str) -> str:
    """The names between an import's or export's braces as a pattern of destructuring: "a as b,c" becomes "a:b,c"."""
    return ",".join(":".join(re.split(r"\s+as\s+", one.strip())) for one in names.split(",") if one.strip())


def _beside(path: str, address: str) -> str:
    """The path that an address in a module means. Raises LinkError if it leads out of the folder."""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), address))
    if not address.startswith(("./", "../")) or found.startswith(".."):
        raise LinkError(f"{path}: {address} is no address within the page's folder")
    return found


def _relative(path: str, base: str) -> str:
    found = posixpath.relpath(path, posixpath.dirname(base) or ".")
    return found if found.startswith("../") else f"./{found}"


def _handle(path: str) -> str:
    """The name of a module in a linked script; the dollar sign keeps it apart from the code's own."""
    return "$" + re.sub(r"\W", lambda match: f"${ord(match[0]):x}", path.removesuffix(".js"))
