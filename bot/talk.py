"""One turn of talk: what the person typed is heard, moves the flow, and the next screen is shown.

Knows no transport: `bot.turn` decides what a message is (new, repeated, out of step) and what becomes of the answer.
"""

import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bot import fitting
from bot.catalogue import Catalogue
from bot.conversation import Conversation, Frame
from bot.dialog import START, Ask, Choose, Detour, End, Flow, Go, Option, Registry, Secret, Sign, Step, Waiting
from bot.keywords import ANYWHERE
from bot.messages import Channel, Reply
from bot.parsing import NotUnderstood, choice, pin_entry
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from circulation.members import Member
    from circulation.rules import Rules

MOVES_A_TURN = 12
"""More moves than this in one turn is a flow that runs in a circle."""
BUDGETS = {"ussd": fitting.USSD, "sms": fitting.SMS}

NOT_IN_LIST = "Please reply with a number from the list."
TYPE_AGAIN = "We did not understand that."
MORE = "98. More"
BACK = "0. Back"
BY_PIN = "Enter your PIN to agree, or 0 to stop."
BY_NUMBER = "Reply {agreement} to agree, or 0 to stop."
NOT_BY_SMS = "Never send your PIN by SMS. Dial {service_code} to choose it."
WHERE_YOU_WERE = "Going on where you stopped (00 for the menu)."
SENTENCES = (NOT_IN_LIST, TYPE_AGAIN, MORE, BACK, BY_PIN, BY_NUMBER, NOT_BY_SMS, WHERE_YOU_WERE)
"""Everything the engine itself says."""


class Fault(Exception):
    """A flow is built wrongly: no row was open, or it runs in a circle. A bug, never the person's doing."""


class Agreements(Protocol):
    """Checks a signature. Both raise Refusal when it is wrong or too many were; every attempt is counted for good."""

    def check_pin(self, phone: Msisdn, typed: str) -> None: ...
    def check_number(self, phone: Msisdn, right: bool) -> None: ...


class Work(Protocol):
    """The turn's unit of work, as talk sees it."""

    @property
    def db(self) -> "Connection": ...
    @property
    def member(self) -> "Member | None": ...
    def take_in_hand(self) -> None: ...
    def forget_member(self) -> None: ...


@dataclass(slots=True)
class Attempt:
    """What is known from an earlier run of the same turn: the effect was refused, the signature was good."""

    refusal: Refusal | None = None
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """What talk needs that never changes: the flows, the languages, the limits, who checks signatures."""

    flows: Registry
    catalogue: Catalogue
    rules: "Rules"
    agreements: Agreements
    service_code: str
    digest_key: bytes


class Talk:
    """One person's turn. Call one of `dial`, `hear`, `lost_place`, `show_again`, then `reply`."""

    def __init__(
        self,
        setting: Setting,
        conversation: Conversation,
        work: Work,
        phone: Msisdn,
        channel: Channel,
        attempt: Attempt,
    ) -> None:
        self._setting = setting
        self._conversation = conversation
        self._work = work
        self._attempt = attempt
        self._notes: list[str] = []
        self._moves = 0
        self._did = False
        self._page: str | None = None
        self._secret = False
        self.phone = phone
        self.channel = channel
        self.rules = setting.rules
        if not conversation.language:
            conversation.language = work.member.language if work.member else setting.catalogue.default

    # What a flow sees of the turn -------------------------------------------------------------------------------------
    @property
    def db(self) -> "Connection":
        return self._work.db

    @property
    def member(self) -> "Member | None":
        return self._work.member

    def take_in_hand(self) -> None:
        if self._attempt.refusal:
            raise self._attempt.refusal
        self._work.take_in_hand()
        self._did = True

    def speak(self, language: str) -> None:
        self._conversation.language = language

    # How a turn begins ------------------------------------------------------------------------------------------------
    def dial(self) -> None:
        """The person dialled: whoever waits for their answer comes first, then where they stopped, then home."""
        conversation = self._conversation
        conversation.later.clear()
        conversation.pages.clear()
        if conversation.frames:
            self._come_back()
        if not self._call():
            if conversation.frames:
                self._note(WHERE_YOU_WERE)
            else:
                self._begin(self._setting.flows.home)

    def lost_place(self) -> None:
        """The network goes on with a dialog that we have no memory of: say so, and where the person stands."""
        self._begin(self._setting.flows.home, "lost")

    def show_again(self) -> None:
        """The same screen once more; nothing is heard."""
        if not self._conversation.frames:
            self._begin(self._setting.flows.home)

    def hear(self, text: str) -> None:
        """The person typed `text`."""
        conversation = self._conversation
        anywhere = ANYWHERE.get(text.upper())
        if anywhere == "more" and conversation.pages:
            self._page = conversation.pages.pop(0)
            return
        conversation.pages.clear()
        if anywhere == "menu":
            conversation.frames.clear()
            self._begin(self._setting.flows.home)
        elif self._keyword(text) or self._called_meanwhile(text):
            pass
        elif not conversation.frames:
            self._begin(self._setting.flows.home)
        elif anywhere == "back" and not self._free():
            self._back()
        else:
            self._answer(text)

    # Hearing ----------------------------------------------------------------------------------------------------------
    def _keyword(self, text: str) -> bool:
        if self._free():
            return False
        word, _, rest = text.strip().partition(" ")
        flows = self._setting.flows
        if word.upper() not in flows.keywords:
            return False
        name, trigger = flows.keywords[word.upper()]
        ahead = flows[name].typed_ahead(trigger, rest.strip())
        if ahead is None:
            return False
        self._conversation.frames.clear()
        self._begin(name, trigger)
        for answer in ahead:
            if not self._conversation.frames or self._notes:
                break
            self._answer(answer)
        return True

    def _free(self) -> bool:
        """Whether the person was asked for words of their own, in which no keyword is looked for."""
        frames = self._conversation.frames
        step = self._step(frames[-1]) if frames else None
        return isinstance(step, Ask) and step.free

    def _answer(self, text: str) -> None:
        frame = self._conversation.top
        step = self._step(frame)
        try:
            match step:
                case Secret() if self.channel != "ussd":
                    self._note(NOT_BY_SMS, service_code=self._setting.service_code)
                case Ask():
                    self._hear_typed(frame, step, text)
                case Choose():
                    self._hear_chosen(frame, text)
                case Sign():
                    self._hear_signed(frame, text)
                case _:
                    raise Fault(f"{frame.flow} waits at {frame.step}")
        except NotUnderstood as slip:
            self._note(slip.sentence, **slip.holes)

    def _hear_typed(self, frame: Frame, step: Ask, text: str) -> None:
        if text == "0" and not step.free and frame.trail:
            return self._back()
        flow = self._flow(frame)
        parse = getattr(flow, step.parse) if isinstance(step.parse, str) else step.parse
        try:
            frame.answers[step.name] = parse(text)
        except Refusal as refusal:
            return self._note(refusal.sentence, **refusal.holes)
        self._move(flow, frame, "answered")

    def _hear_chosen(self, frame: Frame, text: str) -> None:
        number = choice(text)
        if number == 0 and frame.trail:
            return self._back()
        if not 1 <= number <= len(frame.shown):
            raise NotUnderstood(NOT_IN_LIST)
        trigger, value = frame.shown[number - 1]
        frame.answers[frame.step] = value
        self._move(self._flow(frame), frame, trigger)

    def _hear_signed(self, frame: Frame, text: str) -> None:
        if text == "0":
            return self._move(self._flow(frame), frame, "stopped")
        if not self._attempt.signed:
            try:
                if self._signs_by_pin():
                    self._setting.agreements.check_pin(self.phone, pin_entry(text))
                elif frame.agreement:
                    right = hmac.compare_digest(self._digest(frame, text), frame.agreement)
                    self._setting.agreements.check_number(self.phone, right)
                else:
                    return None
            except Refusal as refusal:
                return self._note(refusal.sentence, **refusal.holes)
            self._attempt.signed = True
        self._move(self._flow(frame), frame, "signed")

    def _signs_by_pin(self) -> bool:
        return self.channel == "ussd" and self.member is not None and self.member.pin_hash is not None

    def _digest(self, frame: Frame, typed: str) -> str:
        said = f"{frame.id}:{frame.step}:{typed}".encode("utf-8", "surrogatepass")
        return hmac.new(self._setting.digest_key, said, "sha256").hexdigest()

    # Moving -----------------------------------------------------------------------------------------------------------
    def _begin(self, name: str, trigger: str = "open", answers: Mapping[str, Value] | None = None) -> None:
        """Put a flow on top of whatever goes on, and open it."""
        frame = Frame(name, answers=dict(answers or {}))
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
            if self._attempt.refusal is None:
                raise
            return self._refused(flow, frame, trigger, refusal)
        if not moved:
            raise Fault(f"{frame.flow}: {trigger} at {at} is not answered")
        if self._did:
            self._work.forget_member()
            frame.trail.clear()  # what is done is not undone by going back
        elif at != START and isinstance(flow.step[at], Ask | Choose) and flow.state != at:
            frame.trail.append(at)
        self._arrive(flow, frame, flow.state)

    def _refused(self, flow: Flow, frame: Frame, trigger: str, refusal: Refusal) -> None:
        """The effect was rolled back; this run only tells it."""
        elsewhere = [
            row.refused for row in flow.moves if (row.trigger, row.at) == (trigger, frame.step) and row.refused
        ]
        self._note(refusal.sentence, **refusal.holes)
        if elsewhere:
            self._arrive(flow, frame, elsewhere[0])

    def _arrive(self, flow: Flow, frame: Frame, at: str) -> None:
        frame.step = at
        step = flow.step[at]
        if isinstance(step, Go):
            self._conversation.frames.clear()
            self._begin(step.flow)
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
            frame.step = frame.trail.pop()
        else:
            self._conversation.frames.clear()
            self._begin(self._setting.flows.home)

    def _come_back(self) -> None:
        """After a dropped line: each step says whether it resumes or the flow begins anew."""
        frames = self._conversation.frames
        if self._step(frames[-1]).drop == "restart":
            root = frames[0]
            frames.clear()
            if root.flow != self._setting.flows.home:
                self._begin(root.flow)

    # Being called -----------------------------------------------------------------------------------------------------
    def _call(self, newer_than: float = 0) -> Waiting | None:
        """Somebody waits for this person's answer (a gift): put that question on top."""
        for name in self._setting.flows.calling:
            waiting = self._setting.flows[name](Frame(name), self).waiting()
            if waiting is None or waiting.about in self._conversation.later:
                continue
            if time.time() - waiting.age_seconds >= newer_than:
                self._begin(name, answers={"about": waiting.about})
                return waiting
        return None

    def _called_meanwhile(self, text: str) -> bool:
        """A text may answer a notice we sent, rather than the screen before it.

        With nothing else going on, the text is heard as the answer. In the middle of something, a bare 1 or 2 that
        came after the notice could mean either: then the question is shown, and nothing is done yet.
        """
        conversation = self._conversation
        if self.channel != "sms":
            return False
        if not conversation.frames:
            waiting = self._call()
            if waiting and waiting.alone and text in ("1", "2"):
                self._show_list(conversation.top)
                self._answer(text)
            return waiting is not None
        asked = any(frame.flow in self._setting.flows.calling for frame in conversation.frames)
        return text in ("1", "2") and not asked and self._call(newer_than=conversation.shown_at) is not None

    def put_off(self, what: str) -> None:
        """Do not ask about this again until the person dials anew."""
        self._conversation.later.append(what)

    # Showing ----------------------------------------------------------------------------------------------------------
    def reply(self) -> Reply:
        """The screen the person now sees."""
        conversation = self._conversation
        conversation.shown_on = self.channel
        conversation.shown_at = time.time()
        if self._page is not None:
            ended = not conversation.frames
            return Reply(self._page, more=bool(conversation.pages) or not ended)
        frame = conversation.top
        flow = self._flow(frame)
        step = flow.step[frame.step]
        head = " ".join([*self._notes, self._head(flow, frame, step)]).strip()
        lines = self._show_list(frame)
        first, *rest = fitting.pages(head, lines, BUDGETS[self.channel], self._say(MORE))
        conversation.pages = rest
        ended = isinstance(step, End)
        if ended:
            conversation.frames.clear()
        return Reply(first, more=bool(rest) or not ended, secret=self._secret)

    def _head(self, flow: Flow, frame: Frame, step: Step) -> str:
        head = self._say(step.sentence, **self._holes(flow, step.sentence))
        if not isinstance(step, Sign):
            return head
        if self._signs_by_pin():
            frame.agreement = ""
            return f"{head} {self._say(BY_PIN)}"
        agreement = f"{secrets.randbelow(9000) + 1000}"
        frame.agreement = self._digest(frame, agreement)
        return f"{head} {self._say(BY_NUMBER, agreement=agreement)}"

    def _show_list(self, frame: Frame) -> list[str]:
        """The numbered lines of a step that has any; the frame remembers what each number stood for."""
        flow = self._flow(frame)
        step = flow.step[frame.step]
        if not isinstance(step, Choose):
            return []
        if isinstance(step.options, str):
            options: list[Option] = list(getattr(flow, step.options)())
        else:
            options = [Option(trigger, sentence, trigger=trigger) for trigger, sentence in step.options.items()]
        frame.shown = [(option.trigger, option.value) for option in options]
        lines = [f"{n}. {self._say(option.sentence, **option.holes)}" for n, option in enumerate(options, 1)]
        return [*lines, self._say(BACK)] if frame.trail else lines

    def _holes(self, flow: Flow, sentence: str) -> dict[str, Value]:
        """Each hole is an answer, or else a method of the flow by that name."""
        return {
            name: flow.answers[name] if name in flow.answers else getattr(flow, name)()
            for name in self._names(sentence)
        }

    def _names(self, sentence: str) -> list[str]:
        return self._setting.catalogue.names(sentence)

    def _say(self, sentence: str, **holes: Any) -> str:
        self._secret = self._secret or "code" in holes
        return self._setting.catalogue.say(self._conversation.language, sentence, holes)

    def _note(self, sentence: str, **holes: Any) -> None:
        self._notes.append(self._say(sentence, **holes))

    def _flow(self, frame: Frame) -> Flow:
        return self._setting.flows[frame.flow](frame, self)

    def _step(self, frame: Frame) -> Step:
        return self._setting.flows[frame.flow].step[frame.step]
