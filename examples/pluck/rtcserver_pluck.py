"""A plucked string for rtcserver: the algorithm of Karplus and Strong (Computer Music Journal 7/2, 1983) in NumPy.

A string is a delay line that is filled with noise and read round and round; the mean of two neighbouring samples
takes its place at each turn, so that high partials die away first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcserver.capture.option import Option
from rtcserver.capture.plugin import Instrument

VOICES = 10
"""Strings that sound at the same time; one more takes the place of the oldest."""
DAMPED_S = 0.08
"""How long a string sounds on after its key is let go of."""
QUIET = 1e-5
"""A string whose samples are all smaller has ended."""


class String:
    """One string that sounds."""

    def __init__(self, hz: float, rate: int, decay_s: float, noise: npt.NDArray[np.float64]) -> None:
        # The mean of two neighbours delays by half a sample; the fraction that is left is read between two samples.
        period = rate / hz - 0.5
        self.size = int(period)
        self._fraction = period - self.size
        self._turns_s = self.size / rate
        self.damp(decay_s)
        self.past = noise[: self.size + 2].copy()
        """The latest ``size + 2`` samples, the oldest first."""

    def damp(self, decay_s: float) -> None:
        """Sound on for about `decay_s` (to a thousandth)."""
        self._loss = 10 ** (-3 * self._turns_s / decay_s)

    def render(self, frames: int) -> npt.NDArray[np.float64]:
        """The next ``(frames,)`` samples. As many at a time as the string is long: none of them needs another."""
        reach = self.size + 2
        line = np.empty(reach + frames)
        line[:reach] = self.past
        near, far = (1 - self._fraction) * 0.5 * self._loss, self._fraction * 0.5 * self._loss
        for begin in range(reach, reach + frames, self.size):
            end = min(begin + self.size, reach + frames)
            a = line[begin - self.size - 2 : end - self.size - 2]
            b = line[begin - self.size - 1 : end - self.size - 1]
            c = line[begin - self.size : end - self.size]
            line[begin:end] = near * (b + c) + far * (a + b)
        self.past = line[frames:]
        return line[reach:]


class PluckedString(Instrument):
    """A string for each key, the low ones on the left and the high ones on the right."""

    title = "Plucked string"
    options = (
        Option("decay_s", 4.0, "Seconds until a string has died away.", least=0.1, most=20.0),
        Option("brightness", 0.5, "How hard the plectrum is: 0 is soft, 1 is hard.", least=0.0, most=1.0),
        Option("gain_db", -12.0, "Loudness in dB.", least=-60.0, most=0.0),
        Option("lowest_key", 21, "Lowest key that sounds.", least=21, most=108),
        Option("highest_key", 108, "Highest key that sounds.", least=21, most=108),
    )

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        if options["lowest_key"] > options["highest_key"]:
            raise ValueError(
                f"lowest_key = {options['lowest_key']} is above highest_key = {options['highest_key']}: "
                "no key would sound"
            )

    def __init__(self, rate: int, options: Mapping[str, Any]) -> None:
        self._rate = rate
        self._options = options
        self._gain = 10 ** (options["gain_db"] / 20)
        self._random = np.random.default_rng(1)
        self._strings: dict[int, String] = {}

    def note_on(self, key: int, velocity: int, channel: int) -> None:
        if not self._options["lowest_key"] <= key <= self._options["highest_key"]:
            return
        hz = 440 * 2 ** ((key - 69) / 12)
        noise = self._random.uniform(-1, 1, int(self._rate / hz) + 3)
        hardness = self._options["brightness"] * velocity / 127
        soft = (noise + np.roll(noise, 1) + np.roll(noise, 2)) / 3
        pluck = (soft + hardness * (noise - soft)) * self._gain * (velocity / 127) ** 1.5
        self._strings.pop(key, None)
        self._strings[key] = String(hz, self._rate, self._options["decay_s"], pluck - pluck.mean())
        if len(self._strings) > VOICES:
            del self._strings[next(iter(self._strings))]

    def note_off(self, key: int, channel: int) -> None:
        if key in self._strings:
            self._strings[key].damp(DAMPED_S)

    def render(self, frames: int, first_frame: int) -> npt.NDArray[Any]:
        block = np.zeros((frames, 2))
        for key, string in list(self._strings.items()):
            right = (key - 21) / 87 * 0.6 + 0.2
            sound = string.render(frames)
            block[:, 0] += np.sqrt(1 - right) * sound
            block[:, 1] += np.sqrt(right) * sound
            if np.abs(string.past).max() < QUIET:
                del self._strings[key]
        return block
