"""Several modules as one script: what is joined, what is shared, and what is refused. Pure."""

from __future__ import annotations

import re

import pytest

from signaling.linker import LinkError, Script, link, read_module


def linked(modules: dict[str, str], *entries: str) -> dict[str, Script]:
    def read(path: str) -> str:
        if path not in modules:
            raise FileNotFoundError(path)
        return modules[path]

    return link(list(entries), read)


def test_what_is_imported_stands_before_what_imports_it() -> None:
    scripts = linked(
        {
            "page/main.js": 'import { far as near } from "../a/one.js";\n'
            'import * as two from "../a/two.js";\nnear(two.x);\n',
            "a/one.js": 'import { x } from "./two.js";\nexport function far() { return x; }\n',
            "a/two.js": "export const x = 1;\n",
        },
        "page/main.js",
    )
    assert list(scripts) == ["page/main.js"]
    lines = scripts["page/main.js"].text.splitlines()
    begins = [line for line in lines if line.startswith("const ")]
    assert [re.match(r"const (\S+)=\(", line)[1] for line in begins] == [
        "$a$2ftwo",
        "$a$2fone",
        "$page$2fmain",
    ]  # type: ignore[index]
    assert begins[1].startswith("const $a$2fone=(()=>{const{x}=$a$2ftwo;function far(){return x;}")
    assert begins[2].startswith(
        "const $page$2fmain=(()=>{const{far:near}=$a$2fone;const two=$a$2ftwo;near(two.x);"
    )
    assert lines[1] == "return{x}})();"


def test_a_module_loaded_later_takes_what_is_loaded_already() -> None:
    scripts = linked(
        {
            "page/main.js": 'import { x } from "../a/shared.js";\nimport("../b/later.js").then((part) => part.y(x));\n',
            "a/shared.js": "export const x = {};\n",
            "b/later.js": 'import { x } from "../a/shared.js";\nimport { z } from "./more.js";\n'
            "export function y() { return x ?? z; }\n",
            "b/more.js": 'export const z = new URL("./z.bin", import.meta.url);\n',
        },
        "page/main.js",
    )
    main, later = scripts["page/main.js"], scripts["b/later.js"]
    assert main.later == ("b/later.js",)
    assert main.text.endswith("export{$a$2fshared};\n")
    assert later.text.startswith('import{$a$2fshared}from"../page/main.js";\n')
    assert "const $a$2fshared" not in later.text
    assert 'new URL("./z.bin",new URL("./more.js",import.meta.url))' in later.text
    assert later.text.endswith("export const{y}=$b$2flater;\n")


def test_a_module_loaded_later_is_named_from_where_the_script_is() -> None:
    scripts = linked(
        {
            "page/main.js": 'import { go } from "../a/door.js";\ngo();\n',
            "a/door.js": 'export const go = () => import("./part.js");\n',
            "a/part.js": "export const y = 1;\n",
        },
        "page/main.js",
    )
    assert 'import("../a/part.js")' in scripts["page/main.js"].text


def test_a_worker_is_a_script_of_its_own() -> None:
    scripts = linked(
        {
            "page/main.js": 'import { x } from "../a/x.js";\n'
            'export const w = () => new Worker(new URL("../a/worker.js", import.meta.url), x);\n',
            "a/x.js": "export const x = 1;\n",
            "a/worker.js": 'import { x } from "./x.js";\nself.x = x;\n',
        },
        "page/main.js",
    )
    assert scripts["page/main.js"].scripts == ("a/worker.js",)
    assert "const $a$2fx=" in scripts["a/worker.js"].text
    assert "import" not in scripts["a/worker.js"].text


def test_names_that_are_only_passed_on() -> None:
    module = read_module("a/b.js", 'export { x, y as z } from "./c.js";\n')
    assert module.imports == (("a/c.js", "const $from0=%s;"),)
    assert (module.exports, module.text) == (("x:$from0.x", "z:$from0.y"), "")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('const x = 1;\nimport { y } from "./y.js";\n', "cannot be linked"),
        ("export default 1;\n", "cannot be linked"),
        ("export let x = 1;\n", "cannot be linked"),
        ("const x = 1;\nexport { x };\n", "cannot be linked"),
        ('export * from "./y.js";\n', "cannot be linked"),
        ('import y from "./y.js";\n', "cannot be linked"),
        ('import { y } from "y";\n', "no address"),
        ('import { y } from "../../y.js";\n', "no address"),
        ('import { y } from "https://host/y.js";\n', "no address"),
    ],
)
def test_what_it_cannot_do_it_refuses(source: str, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        read_module("a/b.js", source)


@pytest.mark.parametrize(
    ("modules", "why"),
    [
        ({"m.js": 'import { a } from "./a.js";', "a.js": 'import "./m.js";\nexport const a = 1;'}, "imports itself"),
        ({"m.js": 'import { a } from "./a.js";', "a.js": "export const b = 1;"}, "exports no a"),
        ({"m.js": 'import { a } from "./a.js";\nimport("./a.js");', "a.js": "export const a = 1;"}, "elsewhere"),
        (
            {
                "m.js": 'import("./a.js");\nimport("./b.js");',
                "a.js": 'import { c } from "./c.js";\nexport const a = c;',
                "b.js": 'import { c } from "./c.js";\nexport const b = c;',
                "c.js": "export const c = {};",
            },
            "elsewhere",
        ),
    ],
)  # fmt: skip
def test_modules_that_do_not_fit_together(modules: dict[str, str], why: str) -> None:
    with pytest.raises(LinkError, match=why):
        linked(modules, "m.js")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        linked({"m.js": 'import { a } from "./a.js";'}, "m.js")
