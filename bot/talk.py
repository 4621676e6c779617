"""One turn of talk: what the person typed is heard, moves the flow, and the next screen is shown.

Knows no transport: `bot.turn` decides what a message is (new, repeated, out of step) and what becomes of the answer.
"""

import hmac
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from bot import fitting
from bot.conversation import Conversation, Frame
from bot.dialog import Ask, Choose, End, Secret, Sign, Step, Waiting
from bot.keywords import ANYWHERE
from bot.messages import Channel, Reply
from bot.moving import Fault, Moving
from bot.parsing import NOT_IN_LIST, NotUnderstood, agreement_entry, choice, fold_digits, pin_entry
from bot.showing import (
    BUDGETS,
    CARD_NUMBER,
    DROPPED,
    MORE,
    NEXT_PART,
    NOT_BY_SMS,
    OVER_MEANWHILE,
    WHERE_YOU_WERE,
    WHERE_YOU_WERE_ALOUD,
    Setting,
    Work,
)
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from payments.card_numbers import looks_like_card_number


@dataclass(slots=True)
class Attempt:
    """What is known from an earlier run of the same turn: the effect was refused; which screen was rightly signed; and
    in which language the person is spoken to (empty: we could not look)."""

    refusal: Refusal | None = None
    signed: str = ""
    language: str = ""


class Talk(Moving):
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
        self._page: str | None = None
        self.understood = True
        """Whether what came was an answer to what was shown, or a word that is known."""
        attempt.language = conversation.language

    def take_in_hand(self) -> None:
        """File the message before anything is done because of it; raises what an earlier run of the turn was refused."""
        if self._attempt.refusal:
            raise self._attempt.refusal
        self._work.take_in_hand()
        self._did = self.acted = True

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
                self._note_where()
            else:
                self._begin(self._setting.flows.home)

    def lost_place(self) -> None:
        """The network goes on with a dialog that we have no memory of: say so, and where the person stands."""
        if self._conversation.frames:
            self._note_where()
        else:
            self._begin(self._setting.flows.home, "lost")

    def show_again(self) -> None:
        """The same screen once more; nothing is heard."""
        if not self._conversation.frames:
            self._begin(self._setting.flows.home)

    def hear(self, text: str) -> None:
        """The person typed `text`, or pressed these keys."""
        conversation = self._conversation
        if self.aloud:  # no key is a letter or a point; a star alone leads to the menu, as in every such call
            text = "00" if text == "*" else text.replace("*", ".")
        if looks_like_card_number(text) and not self._typed_ahead(text):  # heard by nobody, and so kept nowhere
            self._note(CARD_NUMBER)
            self.understood = False
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
        elif self._offered(text) or self._keyword(text) or self._called_meanwhile(text):
            pass
        elif not conversation.frames:
            self.understood = False
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
                case Secret() if self.channel == "sms":
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
            self.understood = False
            self._note(slip.sentence, **slip.holes)

    def _hear_typed(self, frame: Frame, step: Ask, text: str) -> None:
        if text == "0" and not step.zero and self._may_go_back(frame):
            self._back()
            return
        if self.aloud and _has_words(step) and text != "0":
            return  # no key is a word: what can be done is said again
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
        if trigger == NEXT_PART:
            frame.part += 1
            return
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

    # Being called -----------------------------------------------------------------------------------------------------
    def _call(self, newer_than: float = 0, answer: str | None = None, without: Collection[str] = ()) -> Waiting | None:
        """Somebody waits for this person's answer (a gift): put that question on top. With `answer`, only a question that
        this text could answer, of several the one that was put last: then it is not the only one. Of the flows `without`,
        which go on already, none is asked."""
        found = self._waiting(newer_than, answer, without)
        if answer is None:
            called = next(found, None)
            alone = True
        else:
            every = list(found)
            called = min(every, key=lambda one: one[1].age_seconds, default=None)
            alone = len(every) == 1
        if called is None:
            return None
        frame, waiting = called
        frame.answers["about"] = waiting.about
        self._open(frame)
        return replace(waiting, alone=waiting.alone and alone)

    def _waiting(
        self, newer_than: float, answer: str | None, without: Collection[str]
    ) -> Iterator[tuple[Frame, Waiting]]:
        """Every question that waits and was not put off, in the order in which the flows call."""
        for name in self._setting.flows.calling:
            if name in without or (answer is not None and not self._could_answer(name, answer)):
                continue
            frame = Frame(name)
            waiting = self._flow(frame).waiting()
            if waiting is None or waiting.about in self._conversation.later or self._is_asked(name, waiting):
                continue
            if time.time() - waiting.age_seconds >= newer_than:
                yield frame, waiting

    def _is_asked(self, name: str, waiting: Waiting) -> bool:
        """Whether this very question goes on already; it is not put on top of itself."""
        return any(
            frame.flow == name and frame.answers.get("about") == waiting.about for frame in self._conversation.frames
        )

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
                if heard_by := self._nobody_called(text):  # it says that nothing waits, or asks again what was put off
                    self._begin(heard_by)
            return bool(conversation.frames)
        asked = {frame.flow for frame in conversation.frames}
        return self._call(newer_than=conversation.shown_at, answer=text, without=asked) is not None

    def _nobody_called(self, text: str) -> str | None:
        """Which flow hears an answer to no question: one that was put off, else the one that people know by a word."""
        flows = self._setting.flows
        could = [name for name in flows.calling if self._could_answer(name, text)]
        put_off = (name for name in could if self._flow(Frame(name)).waiting() is not None)
        return next(put_off, None) or next((name for name in could if flows[name].keywords), None)

    def _offered(self, text: str) -> bool:
        """Whether the text answers the one by which we offered to go on after a dropped line (bot/rescue.py): 1 or 2.

        A gift that came after that may be what is answered: then its question is shown, and nothing is done yet.
        """
        conversation = self._conversation
        if self.channel != "sms" or not conversation.offer:
            return False
        offer, conversation.offer = conversation.offer, ""
        answer = fold_digits(text)
        if answer not in ("1", "2"):
            return False
        if all(frame.id != offer for frame in conversation.frames):
            self._note(OVER_MEANWHILE)
            if not self._call() and not conversation.frames:
                self._begin(self._setting.flows.home)
            return True
        if self._called_meanwhile(text):
            return True
        if answer == "1":
            self._come_back()
            if conversation.frames and isinstance(self._step(conversation.top), Secret):
                self._note(NOT_BY_SMS, service_code=self.rules.service_code)
            return True
        conversation.frames.clear()
        self._note(DROPPED)
        self._begin(self._setting.flows.home)
        return True

    def _could_answer(self, name: str, text: str) -> bool:
        return re.fullmatch(self._setting.flows[name].replies, fold_digits(text)) is not None

    def _note_where(self) -> None:
        self._note(WHERE_YOU_WERE_ALOUD if self.aloud else WHERE_YOU_WERE)

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
            return self._reply(self._page, secret=conversation.secret)
        try:
            head, lines = self._screen()
        except (Refusal, NotUnderstood) as gone:
            # what the screen is about left the person's hands meanwhile: say so, and begin at home
            conversation.frames.clear()
            self._note(gone.sentence, **gone.holes)
            self._begin(self._setting.flows.home)
            head, lines = self._screen()
        if self.aloud:  # a voice has no page that could be full: everything is said
            first, conversation.pages = "\n".join([head, *lines]), []
        else:
            first, *conversation.pages = fitting.pages(head, lines, BUDGETS[self.channel], self._say(MORE))
        step = self._step(conversation.top)
        if isinstance(step, End):
            conversation.frames.clear()
        conversation.secret = self._secret
        return self._reply(first, secret=self._secret, one_key=isinstance(step, Choose) or _has_words(step))

    def _reply(self, text: str, *, secret: bool, one_key: bool = False) -> Reply:
        conversation = self._conversation
        more = bool(conversation.pages or conversation.frames)
        return Reply(text, more, secret, conversation.language, one_key)


def _has_words(step: Step) -> bool:
    """Whether only 0 can answer this step by voice."""
    return isinstance(step, Ask) and (step.free or step.written)
