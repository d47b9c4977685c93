"""Each line says what it is about, also from tasks, timers and libraries, as text and as JSON."""

from __future__ import annotations

import asyncio
import io
import json
import logging

from rtcserver import logs

log = logging.getLogger("tests.logs")


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_is_one_object_a_line_whatever_is_said() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    with logs.about(room="main", session="1f3870be274f"):
        log.info("two\nlines, %s", 'a "quote" and \x1b[31m')
    log.debug("not heard")
    first, *others = lines(stream)
    assert not others
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "tests.logs",
        "message": 'two\nlines, a "quote" and \x1b[31m',
        "room": "main",
        "session": "1f3870be274f",
    }


def test_a_traceback_is_in_its_line() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    try:
        raise ValueError("of no use")
    except ValueError:
        log.exception("it failed")
    (line,) = lines(stream)
    assert (line["message"], line["level"]) == ("it failed", "error")
    assert line["exception"].endswith("ValueError: of no use")


def test_text_names_what_it_is_about_behind_the_message() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    with logs.about(room="main", process="room main, instrument", session=""):
        log.warning("quiet")
    log.warning("loud")
    first, second = stream.getvalue().splitlines()
    assert first.endswith('WARNING tests.logs: quiet room=main process="room main, instrument"')
    assert second.endswith("WARNING tests.logs: loud")


async def test_tasks_and_timers_are_about_what_made_them() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    loop = asyncio.get_running_loop()

    async def work() -> None:
        await asyncio.sleep(0)
        log.info("task")

    with logs.about(session="a"):
        task = asyncio.create_task(work())
        loop.call_soon(log.info, "timer")
        with logs.about(room="b"):
            log.info("inside")
    log.info("outside")
    await task
    about = {line["message"]: (line.get("session"), line.get("room")) for line in lines(stream)}
    assert about == {
        "task": ("a", None),
        "timer": ("a", None),
        "inside": ("a", "b"),
        "outside": (None, None),
    }


def test_what_a_test_configures_ends_with_it() -> None:
    """The tests before this one have: no later one hears more, or writes to what they read."""
    root = logging.getLogger()
    assert root.level == logging.WARNING
    assert not [handler for handler in root.handlers if isinstance(handler.formatter, logs.JsonFormatter)]
