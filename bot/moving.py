"""How a conversation moves: a trigger is pulled where somebody stands, what the move does is done, and a step is reached.

Effects happen here alone, in a move's `do=`, inside the turn's transaction.
"""

from collections.abc import Mapping

from bot.conversation import Conversation, Frame
from bot.dialog import START, Ask, Choose, Detour, End, Flow, Go
from bot.messages import Channel
from bot.showing import Setting, Showing, Work
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.values import Value

MOVES_A_TURN = 12
"""More moves than this in one turn is a flow that runs in a circle."""


class Fault(Exception):
    """A flow is built wrongly: no row was open, or it runs in a circle. A bug, never the person's doing."""


class Moving(Showing):
    """One turn's moves through the flows that are under way."""

    def __init__(
        self, setting: Setting, conversation: Conversation, work: Work, phone: Msisdn, channel: Channel
    ) -> None:
        super().__init__(setting, conversation, work, phone, channel)
        self._moves = 0
        self._did = False
        self.acted = False
        """Whether anything was done in this turn."""

    def _begin(self, name: str, trigger: str = "open", answers: Mapping[str, Value] | None = None) -> None:
        """Put a flow on top of whatever goes on, and open it."""
        self._open(Frame(name, answers=dict(answers or {})), trigger)

    def _open(self, frame: Frame, trigger: str = "open") -> None:
        self._conversation.frames.append(frame)
        self._move(self._flow(frame), frame, trigger)

    def _move(self, flow: Flow, frame: Frame, trigger: str) -> None:
        self._moves += 1
        at = frame.step
        if self._moves > MOVES_A_TURN:
            raise Fault(f"{frame.flow} runs in a circle at {at}")
        flow.state = at
        self._did = False
        try:
            moved = flow.machine.events[trigger].trigger(flow)
        except Refusal as refusal:
            if self._did:
                raise  # something may have been written: the turn is rolled back and run again to tell it
            self._refused(flow, frame, trigger, refusal)
            return
        if not moved:
            raise Fault(f"{frame.flow}: {trigger} at {at} is not answered")
        reached = flow.state
        if self._did:
            self._work.forget_member()
            self._speaking.clear()  # what was read before may be true no more
            frame.trail.clear()  # what is done is not undone by going back
        elif at != START and isinstance(flow.step[at], Ask | Choose) and flow.state != at:
            frame.trail.append(at)
        self._arrive(frame, reached)

    def _refused(self, flow: Flow, frame: Frame, trigger: str, refusal: Refusal) -> None:
        """Nothing was done, or it was rolled back and this run only tells it."""
        elsewhere = [
            row.refused for row in flow.moves if (row.trigger, row.at) == (trigger, frame.step) and row.refused
        ]
        if elsewhere:
            self._reason = self._say(refusal.sentence, **refusal.holes)
            self._arrive(frame, elsewhere[0])
        else:
            self._note(refusal.sentence, **refusal.holes)

    def _arrive(self, frame: Frame, at: str) -> None:
        frame.step, frame.part = at, 0
        flow = self._flow(frame)
        step = flow.step[at]
        if isinstance(step, Go):
            self._conversation.frames.clear()
            self._begin(step.flow, answers={there: frame.answers[here] for there, here in step.carry.items()})
        elif isinstance(step, Detour):
            self._begin(step.flow)
        elif isinstance(step, End) and len(self._conversation.frames) > 1:
            if step.sentence:
                self._note(step.sentence, **self._holes(flow, step.sentence))
            self._conversation.frames.pop()
            caller = self._conversation.top
            if isinstance(self._step(caller), Detour):
                self._move(self._flow(caller), caller, at)

    def _back(self) -> None:
        frame = self._conversation.top
        if frame.trail:
            frame.step, frame.part = frame.trail.pop(), 0
        else:
            self._conversation.frames.clear()
            self._begin(self._setting.flows.home)

    def _come_back(self) -> None:
        """After a dropped line: each step says whether it resumes, begins its flow anew, or is left."""
        frames = self._conversation.frames
        drop = self._step(frames[-1]).drop
        if drop == "restart":
            self._begin(frames.pop().flow)
        elif drop == "leave":
            frames.clear()
