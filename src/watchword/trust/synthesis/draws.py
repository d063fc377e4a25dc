"""Chance: every stream of it comes from the seed and a name, so that no part's draws disturb another's.

The only file of this package that knows the library of random numbers. Nothing is guarded by these: what must not be
guessed comes from the kernel's `Entropy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from math import exp
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")
Chance = Random
_MASK = 0xFFFFFFFFFFFFFFFF


def stream_of(seed: int, *path: str | int) -> Chance:
    """Return the stream of chance with that name; the same name draws the same numbers on every machine."""
    return Random("/".join(map(str, (seed, *path))))  # noqa: S311  # reproducible on purpose, guards nothing


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """Things with weights, made ready for drawing."""

    things: tuple[T, ...]
    cumulative: tuple[float, ...]

    def draw(self, chance: Chance) -> T:
        """Draw one."""
        return chance.choices(self.things, cum_weights=self.cumulative)[0]


def choice_of(things: Sequence[T], weights: Sequence[float]) -> Choice[T]:
    """Make weighted things ready for drawing."""
    return Choice(tuple(things), tuple(accumulate(weights)))


def name_of(*path: str | int) -> str:
    """Name an act, so that the name tells nothing of who made it, nor of what came before."""
    return f"act_{blake2b('/'.join(map(str, path)).encode(), digest_size=8).hexdigest()}"


def zipf(count: int, exponent: float = 1.0) -> list[float]:
    """Return the weights of a popularity that falls with the rank."""
    return [1.0 / rank**exponent for rank in range(1, count + 1)]


def poisson(chance: Chance, mean: float) -> int:
    """Draw a count, for means up to some hundreds.

    Source: Knuth, The Art of Computer Programming, volume 2, section 3.4.1; halved above 30, where exp underflows.
    """
    if mean > 30:  # noqa: PLR2004  # as the docstring says
        return poisson(chance, mean / 2) + poisson(chance, mean / 2)
    limit, product, count = exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def mixed(*numbers: int) -> int:
    """Return 64 well-mixed bits of the numbers: a draw that needs no state.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (SplitMix64), 2014.
    """
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state
