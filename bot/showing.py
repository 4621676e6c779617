"""What the person sees: the words and the numbered lines of the step where they stand, in their language.

Showing is pure, but for what the place must remember of it: which number stood for what, and which number would sign.
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bot import fitting
from bot.catalogue import Catalogue
from bot.conversation import Conversation, Frame
from bot.dialog import Ask, Choose, Flow, Option, Registry, Sign, Step
from bot.messages import Channel
from bot.parsing import NOT_IN_LIST
from circulation.msisdn import Msisdn
from circulation.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from circulation.members import Member
    from circulation.rules import Rules

BUDGETS = {"ussd": fitting.USSD, "sms": fitting.SMS}

PART = 8
"""By voice so many lines of a longer list are said at once; one key chooses a line, and 9 says the next ones."""
NEXT_PART = "next part"
"""What choosing 9 means then: no trigger of any flow."""

MORE = "98. More"
BACK = "0. Back"
BY_PIN = "Enter your PIN to agree, or 0 to stop."
BY_NUMBER = "Reply {agreement} to agree, or 0 to stop."
NOT_BY_SMS = "Never send your PIN by SMS. Dial {service_code} to choose it."
CARD_NUMBER = (
    "That looks like a card number, and we did not keep it. Never send one: we text you a page to pay by card."
)
WHERE_YOU_WERE = "Going on where you stopped (00 for the menu)."
GO_ON = "Reply 1 to go on, 2 to drop it, or dial {service_code}."
GO_ON_BY_DIALLING = "Dial {service_code} to go on, or reply 2 to drop it."
DROPPED = "What you had begun is dropped, and nothing was done."
OVER_MEANWHILE = "That is no longer open."
PRESS = "For {option}, press {key}."
PRESS_MORE = "To hear more, press {key}."
PRESS_BACK = "To go back, press 0."
HASH = "Then press hash."
KEYS_BY_PIN = "Enter your PIN and hash to agree, or 0 and hash to stop."
KEYS_BY_NUMBER = "Enter {agreement} and hash to agree, or 0 and hash to stop."
NO_WORDS = "Words cannot be given by phone keys. Press 0 to go on without."
ONLY_WRITTEN = (
    "Words cannot be given by phone keys. Please dial {service_code} or send a text for this. To go back, press 0."
)
WHERE_YOU_WERE_ALOUD = "Going on where you stopped. For the menu, press star."
ALOUD = (
    PRESS,
    PRESS_MORE,
    PRESS_BACK,
    HASH,
    KEYS_BY_PIN,
    KEYS_BY_NUMBER,
    NO_WORDS,
    ONLY_WRITTEN,
    WHERE_YOU_WERE_ALOUD,
)
"""What is said in a call alone."""
SENTENCES = (
    NOT_IN_LIST,
    MORE,
    BACK,
    BY_PIN,
    BY_NUMBER,
    NOT_BY_SMS,
    CARD_NUMBER,
    WHERE_YOU_WERE,
    GO_ON,
    GO_ON_BY_DIALLING,
    DROPPED,
    OVER_MEANWHILE,
    *ALOUD,
)
"""Everything the engine itself says."""


class Work(Protocol):
    """The turn's unit of work, as talk sees it."""

    @property
    def db(self) -> "Connection": ...
    @property
    def member(self) -> "Member | None": ...
    def take_in_hand(self) -> None: ...
    def forget_member(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What talk needs that never changes: the flows, the languages, the limits and keys."""

    flows: Registry
    catalogue: Catalogue
    rules: "Rules"
    digest_key: bytes


class Showing:
    """One turn's view of a place: `note` what comes first, then `screen`. It is also what a flow sees of the turn."""

    def __init__(
        self, setting: Setting, conversation: Conversation, work: Work, phone: Msisdn, channel: Channel
    ) -> None:
        self._setting = setting
        self._conversation = conversation
        self._work = work
        self._speaking: dict[str, Flow] = {}
        self._notes: list[str] = []
        self._reason = ""
        self._secret = False
        self.phone = phone
        self.channel = channel
        self.rules = setting.rules
        self.aloud = channel == "voice"
        if not conversation.language:
            conversation.language = work.member.language if work.member else setting.catalogue.default

    @property
    def db(self) -> "Connection":
        """The database: for reading, and once something is done the turn's transaction."""
        return self._work.db

    @property
    def member(self) -> "Member | None":
        """Who is speaking, when we ever met."""
        return self._work.member

    def speak(self, language: str) -> None:
        """Go on in `language` from this turn's screen on."""
        self._conversation.language = language

    def _screen(self) -> tuple[str, list[str]]:
        """The words and the numbered lines of the step where the person stands."""
        frame = self._conversation.top
        flow = self._flow(frame)
        head = self._head(flow, frame, flow.step[frame.step])
        return " ".join(part for part in (*self._notes, head, self._reason) if part), self._show_list(frame)

    def unfinished(self, frame: Frame, invitation: str) -> str:
        """What a person who was cut off in this frame is told, and how they go on. Raises Refusal or NotUnderstood when
        what it was about is gone."""
        flow = self._flow(frame)
        told = self._say(flow.unfinished, **self._holes(flow, flow.unfinished))
        return f"{told} {self._say(invitation, service_code=self.rules.service_code)}"

    def _head(self, flow: Flow, frame: Frame, step: Step) -> str:
        head = self._say(step.sentence, **self._holes(flow, step.sentence))
        if isinstance(step, Ask) and self.aloud:
            return f"{head} {self._say(keys_for(step), service_code=self.rules.service_code)}"
        if not isinstance(step, Sign):
            return head
        if self._signs_by_pin():
            frame.agreement = ""
            return f"{head} {self._say(KEYS_BY_PIN if self.aloud else BY_PIN)}"
        agreement = f"{secrets.randbelow(9000) + 1000}"
        frame.agreement = self._digest(frame, agreement)
        return f"{head} {self._say(KEYS_BY_NUMBER if self.aloud else BY_NUMBER, agreement=agreement)}"

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
        more = False
        if self.aloud and len(options) > PART + 1:
            frame.part = min(frame.part, (len(options) - 1) // PART)
            rest = options[frame.part * PART :]
            options, more = rest[:PART], len(rest) > PART
        frame.shown = [(option.trigger, option.value) for option in options]
        lines = [self._line(n, self._say(option.sentence, **option.holes)) for n, option in enumerate(options, 1)]
        if more:
            frame.shown.append((NEXT_PART, None))
            lines.append(self._say(PRESS_MORE, key=len(frame.shown)))
        back = self._say(PRESS_BACK if self.aloud else BACK)
        return [*lines, back] if self._may_go_back(frame) else lines

    def _line(self, number: int, words: str) -> str:
        """One line of a list: read as `1. Buy`, heard as `For Buy, press 1.`"""
        return self._say(PRESS, option=words, key=number) if self.aloud else f"{number}. {words}"

    def _may_go_back(self, frame: Frame) -> bool:
        """Whether 0 leads somewhere: to the step before, or from the first step of what was chosen to the menu."""
        flows = self._setting.flows
        chosen = len(self._conversation.frames) == 1 and frame.flow not in (flows.home, *flows.calling)
        return chosen or bool(frame.trail)

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
        return self._setting.catalogue.say(self._conversation.language, sentence, holes, aloud=self.aloud)

    def _note(self, sentence: str, **holes: Any) -> None:
        self._notes.append(self._say(sentence, **holes))

    def _flow(self, frame: Frame) -> Flow:
        """The flow that speaks in this frame: one object for the turn, so that what it read is read once."""
        if frame.id not in self._speaking:
            self._speaking[frame.id] = self._setting.flows[frame.flow](frame, self)
        return self._speaking[frame.id]

    def _step(self, frame: Frame) -> Step:
        return self._setting.flows[frame.flow].step[frame.step]

    def _signs_by_pin(self) -> bool:
        return self.channel != "sms" and self.member is not None and self.member.has_pin

    def _digest(self, frame: Frame, typed: str) -> str:
        said = f"{frame.id}:{frame.step}:{typed}".encode("utf-8", "surrogatepass")
        return hmac.new(self._setting.digest_key, said, "sha256").hexdigest()


def keys_for(step: Ask) -> str:
    """What a caller is told about the keys that answer this step."""
    if step.written:
        return ONLY_WRITTEN
    return NO_WORDS if step.free else HASH
