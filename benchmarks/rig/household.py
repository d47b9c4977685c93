"""Who uses a server in `benchmarks.soak`, and what happens to it: listeners, a performer, Studio, faults."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from benchmarks.midi import Client
from benchmarks.rig.common import say
from rtcserver.load.fleet import Fleet
from rtcserver.load.report import Joins, Window
from rtcserver.load.worker import FleetProgress, Options
from tests.rig.perform import performer_token
from tests.rig.process import RigError, wait_until
from tests.rig.server import RtcServer

RESIDENTS = 1
"""Listeners who stay."""
STAY_S = 4.0
"""How long one who comes and goes listens."""
EVENTS = 60
"""MIDI events that the performer plays in a round, about 0.1 s apart."""
CROWD = 10
"""Listeners who vanish at once, without a goodbye."""
BACK_S = 60.0
"""What a fault may last until the server is whole again."""
ECHO_S = 1.0
"""What the last event may take to come back to the performer."""


class Household:
    """Everybody who is there: two fleets of the load generator and the headless performer, each in its own process.

    on_tick: called several times a second while a round runs.
    """

    def __init__(self, server: RtcServer, on_tick: Callable[[], None]) -> None:
        self._server = server
        self._link = performer_token(server)

        def tick(progress: FleetProgress) -> None:
            on_tick()

        url = server.room_url
        self._listen = Fleet(Options(url, datachannel=True), on_progress=tick)
        self._studio = Fleet(Options(url, datachannel=True, studio=True), on_progress=tick)
        self._performer: Client | None = None
        self.joins = Joins()
        self.performers_lost = 0
        """Times that the headless performer ended although nobody had ended it."""
        self.played = self.unheard = 0
        """MIDI events, and those that did not come back to the performer from the room."""

    def __enter__(self) -> Self:
        self.settle_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_performer()
        self._listen.close()
        self._studio.close()

    def settle_in(self) -> None:
        """Those who stay join, the performer too."""
        self._count(self._listen.join(RESIDENTS))
        self._begin_performer()

    def move_out(self) -> None:
        """They leave."""
        self._end_performer()
        self._listen.leave(RESIDENTS)

    def round(self, joins: int, seconds: float) -> Window:
        """`joins` listeners come and go within `seconds`, one more in Studio; the performer plays.

        Returns what those who stay got meanwhile.
        """
        self.begin()
        if self._performer is not None:
            self._performer.tell(f"play {EVENTS} {self.joins.joined}")
        self._studio.begin_join(1, stay_s=STAY_S)
        if joins:
            self._listen.begin_join(joins, per_second=joins / max(1.0, seconds - STAY_S), stay_s=STAY_S)
            self._count(self._listen.end_join())
        else:
            self._listen.sleep(seconds)
        self._count(self._studio.end_join())
        self._take_played()
        return self.end()

    def begin(self) -> None:
        """Count what those who stay get from now on."""
        self._listen.begin()

    def end(self) -> Window:
        """What they got since `begin`."""
        return self._listen.end()

    # Faults; each returns how long it lasted, in seconds.

    def instrument_killed(self) -> float:
        """The instrument process is killed: listeners stay, on the same timeline."""
        return self._replaced("rtcserver.instrument.process", signal.SIGKILL)

    def instrument_stopped(self) -> float:
        """It stands still and has to be replaced."""
        return self._replaced("rtcserver.instrument.process", signal.SIGSTOP)

    def broadcast_killed(self) -> float:
        """The broadcast process is killed: every session ends, and those who stay join anew."""
        took = self._replaced("rtcserver.broadcast.process", signal.SIGKILL)
        self.move_out()
        self.settle_in()
        return took

    def performer_vanishes(self) -> float:
        """The performer's process is killed in the middle of a phrase; another one comes."""
        began = time.monotonic()
        if self._performer is not None:
            self._performer.tell(f"play {EVENTS} 0")
            time.sleep(1.0)
        self._end_performer(kill=True)
        self._begin_performer()
        return time.monotonic() - began

    def crowd_vanishes(self) -> float:
        """Some listeners' process is killed: nobody says goodbye for them."""
        crowd = Fleet(Options(self._server.room_url, datachannel=True))
        self._count(crowd.join(CROWD))
        there = self._sessions()
        began = time.monotonic()
        for pid in crowd.pids:
            os.kill(pid, signal.SIGKILL)
        crowd.close()
        self._wait(lambda: self._sessions() <= there - CROWD, "vanished listeners are ended")
        return time.monotonic() - began

    def reloaded(self) -> float:
        """SIGHUP: the configuration is read again."""
        began = time.monotonic()
        os.kill(self._server.pid, signal.SIGHUP)
        self._wait(self._whole, "the server is whole after SIGHUP")
        return time.monotonic() - began

    def _replaced(self, module: str, number: signal.Signals) -> float:
        began, before = time.monotonic(), self._restarts()
        for pid in self._server.pids_with(module):
            os.kill(pid, number)
        self._wait(lambda: self._restarts() > before and self._whole(), f"{module} is replaced")
        return time.monotonic() - began

    @staticmethod
    def _wait(reached: Callable[[], bool], what: str) -> None:
        wait_until(reached, what, BACK_S, 0.1)

    def _whole(self) -> bool:
        return bool(self._server.health()["status"] == "ok")

    def _restarts(self) -> int:
        return sum(int(one["restarts"]) for one in self._server.health()["processes"].values())

    def _sessions(self) -> int:
        return int(self._server.health()["backend"]["sessions"])

    # The performer

    def _begin_performer(self) -> None:
        self._performer = Client(self._server.room_url, self._link)
        try:
            self._performer.answer()
        except RigError as error:
            self._lose_performer(error)

    def _end_performer(self, *, kill: bool = False) -> None:
        performer, self._performer = self._performer, None
        if performer is not None:
            if kill:
                performer.kill()
            performer.__exit__()

    def _take_played(self) -> None:
        """What the performer played in this round and heard of it; a performer that has ended is replaced."""
        if self._performer is None:
            self._begin_performer()
            return
        try:
            self._performer.answer()
            time.sleep(ECHO_S)
            said = self._performer.take()
        except (RigError, OSError) as error:
            self._lose_performer(error)
            return
        played = Counter(message for _, message in said["pushed"])
        heard = Counter(message for _, message, _, _ in said["heard"])
        self.played += played.total()
        self.unheard += (played - heard).total()

    def _lose_performer(self, error: Exception) -> None:
        say(f"  the performer was lost: {error}")
        self.performers_lost += 1
        self._end_performer(kill=True)

    def _count(self, joins: Joins) -> None:
        seconds = self.joins.seconds + joins.seconds
        self.joins.add(joins)
        self.joins.seconds = seconds
