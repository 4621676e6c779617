"""One turn of talk: what the person typed is heard, moves the flow, and the next screen is shown.

Knows no transport: `bot.turn` decides what a message is (new, repeated, out of step) and what becomes of the answer.
"""

import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bot import fitting
from bot.conversation import Conversation, Frame
from bot.dialog import START, Ask, Choose, Detour, End, Flow, Go, Secret, Sign, Waiting
from bot.keywords import ANYWHERE
from bot.messages import Channel, Reply
from bot.parsing import NOT_IN_LIST, NotUnderstood, agreement_entry, choice, fold_digits, pin_entry
from bot.showing import BUDGETS, CARD_NUMBER, MORE, NOT_BY_SMS, WHERE_YOU_WERE, Setting, Showing, Work
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.values import Value
from payments.card_numbers import looks_like_card_number

MOVES_A_TURN = 12
"""More moves than this in one turn is a flow that runs in a circle."""


class Fault(Exception):
    """A flow is built wrongly: no row was open, or it runs in a circle. A bug, never the person's doing."""


@dataclass(slots=True)
class Attempt:
    """What is known from an earlier run of the same turn: the effect was refused; which screen was rightly signed; and
    in which language the person is spoken to (empty: we could not look)."""

    refusal: Refusal | None = None
    signed: str = ""
    language: str = ""


class Talk(Showing):
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
        super().__init__(setting, conversation, work, phone, channel)
        self._attempt = attempt
        self._moves = 0
        self._did = False
        self._page: str | None = None
        attempt.language = conversation.language

    def take_in_hand(self) -> None:
        """File the message before anything is done because of it; raises what an earlier run of the turn was refused."""
        if self._attempt.refusal:
            raise self._attempt.refusal
        self._work.take_in_hand()
        self._did = True

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
        if self._conversation.frames:
            self._note(WHERE_YOU_WERE)
        else:
            self._begin(self._setting.flows.home, "lost")

    def show_again(self) -> None:
        """The same screen once more; nothing is heard."""
        if not self._conversation.frames:
            self._begin(self._setting.flows.home)

    def hear(self, text: str) -> None:
        """The person typed `text`."""
        conversation = self._conversation
        if looks_like_card_number(text) and not self._typed_ahead(text):  # heard by nobody, and so kept nowhere
            self._note(CARD_NUMBER)
            self.show_again()
            return
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
        ahead = self._typed_ahead(text)
        if ahead is None:
            return False
        name, trigger = self._setting.flows.keywords[text.strip().partition(" ")[0].upper()]
        self._conversation.frames.clear()
        self._begin(name, trigger)
        for answer in ahead:
            if self._notes or isinstance(self._step(self._conversation.top), End):
                break
            self._answer(answer)
        return True

    def _typed_ahead(self, text: str) -> list[str] | None:
        """The answers that follow a keyword in the same text (a clerk's code and amount); None when it is no command."""
        word, _, rest = text.strip().partition(" ")
        flows = self._setting.flows
        if self._free() or word.upper() not in flows.keywords:
            return None
        name, trigger = flows.keywords[word.upper()]
        return flows[name].typed_ahead(trigger, rest.strip())

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
                    self._note(NOT_BY_SMS, service_code=self.rules.service_code)
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
        if text == "0" and not step.zero and self._may_go_back(frame):
            self._back()
            return
        flow = self._flow(frame)
        parse = getattr(flow, step.parse) if isinstance(step.parse, str) else step.parse
        try:
            frame.answers[step.name] = parse(text)
        except Refusal as refusal:
            self._note(refusal.sentence, **refusal.holes)
            return
        self._move(flow, frame, "answered")

    def _hear_chosen(self, frame: Frame, text: str) -> None:
        number = choice(text)
        if number == 0 and self._may_go_back(frame):
            self._back()
            return
        if not 1 <= number <= len(frame.shown):
            raise NotUnderstood(NOT_IN_LIST)
        trigger, value = frame.shown[number - 1]
        frame.answers[frame.step] = value
        self._move(self._flow(frame), frame, trigger)

    def _hear_signed(self, frame: Frame, text: str) -> None:
        if text == "0":
            self._move(self._flow(frame), frame, "stopped")
            return
        if self._attempt.signed != f"{frame.id}:{frame.step}":
            self._work.take_in_hand()  # so that repeats which come at the same moment are not counted as tries
            try:
                if self._signs_by_pin():
                    self.rules.pins.check_pin(self.phone, pin_entry(text))
                elif frame.agreement:
                    right = hmac.compare_digest(self._digest(frame, agreement_entry(text)), frame.agreement)
                    self.rules.pins.check_number(self.phone, right)
                else:
                    return  # no number was shown by SMS yet: the screen is shown, now with one
            except Refusal as refusal:
                self._note(refusal.sentence, **refusal.holes)
                return
            self._attempt.signed = f"{frame.id}:{frame.step}"
        self._move(self._flow(frame), frame, "signed")

    # Moving -----------------------------------------------------------------------------------------------------------
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
        frame.step = at
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
            frame.step = frame.trail.pop()
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

    # Being called -----------------------------------------------------------------------------------------------------
    def _call(self, newer_than: float = 0, answer: str | None = None) -> Waiting | None:
        """Somebody waits for this person's answer (a gift): put that question on top. With `answer`, only a question that
        this text could answer."""
        for name in self._setting.flows.calling:
            if answer is not None and not self._could_answer(name, answer):
                continue
            frame = Frame(name)
            waiting = self._flow(frame).waiting()
            if waiting is None or waiting.about in self._conversation.later:
                continue
            if time.time() - waiting.age_seconds >= newer_than:
                frame.answers["about"] = waiting.about
                self._open(frame)
                return waiting
        return None

    def _called_meanwhile(self, text: str) -> bool:
        """A text may answer a notice we sent, rather than the screen before it.

        With nothing else going on, the text is heard as the answer, even when it comes too late for one. In the middle
        of something, a bare 1 or 2 that came after the notice could mean either: then the question is shown, and
        nothing is done yet.
        """
        conversation = self._conversation
        if self.channel != "sms":
            return False
        if not conversation.frames:
            waiting = self._call(answer=text) or self._call()
            if waiting and waiting.alone and self._could_answer(conversation.top.flow, text):
                self._show_list(conversation.top)
                self._answer(text)
            elif not waiting and text in ("1", "2"):
                self._begin(self._setting.flows.home)
                for name in self._setting.flows.calling:
                    if self._could_answer(name, text):
                        self._begin(name)  # it says that nothing waits, or asks again what was put off
            return bool(conversation.frames)
        asked = any(frame.flow in self._setting.flows.calling for frame in conversation.frames)
        return not asked and self._call(newer_than=conversation.shown_at, answer=text) is not None

    def _could_answer(self, name: str, text: str) -> bool:
        return re.fullmatch(self._setting.flows[name].replies, fold_digits(text)) is not None

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
            return Reply(self._page, more=bool(conversation.pages or conversation.frames), secret=conversation.secret)
        try:
            head, lines = self._screen()
        except (Refusal, NotUnderstood) as gone:
            # what the screen is about left the person's hands meanwhile: say so, and begin at home
            conversation.frames.clear()
            self._note(gone.sentence, **gone.holes)
            self._begin(self._setting.flows.home)
            head, lines = self._screen()
        first, *conversation.pages = fitting.pages(head, lines, BUDGETS[self.channel], self._say(MORE))
        if isinstance(self._step(conversation.top), End):
            conversation.frames.clear()
        conversation.secret = self._secret
        return Reply(first, more=bool(conversation.pages or conversation.frames), secret=self._secret)
