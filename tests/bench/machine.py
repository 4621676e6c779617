"""The state machine's part of a turn: a flow's move beside a bare object's, and eight people in one flow at once."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace

from transitions import Machine

from bot.conversation import Frame
from bot.dialog import START, Choose, Flow, move
from tests.bench.measure import Result, Size, Wrong, alternate
from tests.bench.site import Site

STEPS = [f"step{number}" for number in range(40)]
PEOPLE = 8
MOVES = 40
TURN = SimpleNamespace(take_in_hand=lambda: None)


class Walk(Flow):
    """Forty steps in a row, as large as the largest flows; a move asks a condition, as many of theirs do."""

    title = "Walk"
    steps = [Choose(step, options={}) for step in STEPS]
    moves = [move("answered", at, to, when="may") for at, to in zip([START, *STEPS], [*STEPS, STEPS[0]], strict=True)]

    def may(self) -> bool:
        return True


class SlowWalk(Walk):
    """The same, with an effect that takes a moment and notes where the person was."""

    moves = [move(row.trigger, row.at, row.to, when="may", do="note") for row in Walk.moves]

    def note(self) -> None:
        self.answers[f"{len(self.answers)}"] = self.state
        time.sleep(random.uniform(0, 0.001))


@dataclass(slots=True)
class Bare:
    """A plain object with a state: the pattern by itself."""

    state: str

    def may(self) -> bool:
        return True


def moves(site: Site, size: Size) -> list[Result]:
    """Microseconds of one move: a flow made for the turn, told where it is, and moved."""
    bare = Machine(model=None, states=[START, *STEPS], initial=START, auto_transitions=False)
    for at, to in zip([START, *STEPS], [*STEPS, STEPS[0]], strict=True):
        bare.add_transition("answered", at, to, conditions="may")

    def ours() -> float:
        frame = Frame("walk")
        begun = time.process_time()
        for _ in range(size.per_round):
            flow = Walk(frame, TURN)
            flow.machine.events["answered"].trigger(flow)
            frame.step = flow.state
        return (time.process_time() - begun) * 1e6 / size.per_round

    def floor() -> float:
        state = START
        begun = time.process_time()
        for _ in range(size.per_round):
            model = Bare(state)
            bare.events["answered"].trigger(model)
            state = model.state
        return (time.process_time() - begun) * 1e6 / size.per_round

    rounds = alternate(size, ours, floor)
    _walk_together()
    return [Result("the state machine's part of a turn", "transitions, a plain object", "us", ("at most", 1.5), rounds)]


def _walk_together() -> None:
    """Eight threads, each with its own person, in one shared machine. Raises Wrong when anybody met another's state."""
    begin = threading.Barrier(PEOPLE)

    def walk(_: int) -> list[object]:
        frame = Frame("walk")
        begin.wait()
        for _ in range(MOVES):
            flow = SlowWalk(frame, TURN)
            flow.machine.events["answered"].trigger(flow)
            frame.step = flow.state
        return list(frame.answers.values())

    with ThreadPoolExecutor(PEOPLE) as threads:
        walks = list(threads.map(walk, range(PEOPLE)))
    wrong = sum(step != right for went in walks for step, right in zip(went, [START, *STEPS], strict=False))
    if wrong or any(len(went) != MOVES for went in walks):
        raise Wrong(f"{wrong} turns of {PEOPLE * MOVES} met somebody else's state")
