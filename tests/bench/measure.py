"""A measure: ours against a floor, in rounds that alternate, so that a noisy machine disturbs both alike."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeVar

Sample = TypeVar("Sample")
Goal = tuple[Literal["at most", "at least"], float]


class Wrong(Exception):
    """An answer or a count was not what it must be: the figures are worth nothing."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: counted rounds of each side, and requests or transactions in one round."""

    rounds: int
    per_round: int


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `rounds` are (ours, floor), in `unit`; the ratio is the median of the rounds' ratios."""

    what: str
    against: str
    unit: str
    goal: Goal
    rounds: list[tuple[float, float]]

    @property
    def ours(self) -> float:
        """The median of our side."""
        return median(ours for ours, _ in self.rounds)

    @property
    def floor(self) -> float:
        """The median of the other side."""
        return median(floor for _, floor in self.rounds)

    @property
    def ratio(self) -> float:
        """Ours by the floor."""
        return median(ours / floor for ours, floor in self.rounds)

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        side, bound = self.goal
        return self.ratio <= bound if side == "at most" else self.ratio >= bound


def alternate(size: Size, ours: Callable[[], Sample], floor: Callable[[], Sample]) -> list[tuple[Sample, Sample]]:
    """One sample of both sides for each round, ours and the floor first by turns, after one round that warms up."""
    ours(), floor()
    samples = []
    for number in range(size.rounds):
        if number % 2:
            second = floor()
            samples.append((ours(), second))
        else:
            samples.append((ours(), floor()))
    return samples
