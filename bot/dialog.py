"""The words a flow is written in: Flow, Ask, Choose, Secret, Sign, End, Detour, Go, move.

A flow is one class: its steps (what is shown), its moves (what is heard goes where) and the few methods they name.
Steps become the states and moves the rows of one `transitions` machine per flow, built once and shared; each turn
runs a plain, unregistered object through it (see docs/decisions/0002). Showing is pure; effects happen only in a
move's `do=`, inside the turn's transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from transitions import Machine

from circulation.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bot.conversation import Frame
    from bot.messages import Channel
    from circulation.members import Member
    from circulation.msisdn import Msisdn
    from circulation.rules import Rules

START = "start"
Drop = Literal["resume", "restart", "confirm", "leave"]
Parse = Callable[[str], Value] | str


@dataclass(frozen=True)
class Step:
    """One place in a flow. `sentence` is English with {holes}: the message id of its translations.

    `drop` says what happens when the line drops here and the person comes back: `resume` shows the step again,
    `restart` begins the flow anew, `confirm` asks for the agreement again with everything it is about, `leave` is not
    worth coming back to.
    """

    name: str
    sentence: str = ""
    drop: Drop = field(default="resume", kw_only=True)


@dataclass(frozen=True)
class Ask(Step):
    """Asks for something typed. `parse` (a function of the text, or the name of a method) reads it or raises
    NotUnderstood; the value is saved under the step's name and the trigger is `answered`. A `free` answer is anybody's
    words: no keyword is looked for in it. Where `zero` is an answer, 0 is not the way back. `written`: keys cannot give
    it, so that by voice the person is told to go on in writing."""

    parse: Parse = field(kw_only=True)
    free: bool = field(default=False, kw_only=True)
    zero: bool = field(default=False, kw_only=True)
    written: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Choose(Step):
    """Asks for a number from a list. `options` is either trigger -> sentence, or the name of a method that returns
    Options; then the chosen value is saved under the step's name and the trigger is `answered` unless it names one."""

    options: Mapping[str, str] | str = field(kw_only=True)


@dataclass(frozen=True)
class Secret(Ask):
    """Asks for something that must not stay in a Sent folder: never taken by SMS, kept only as `parse` returns it."""

    drop: Drop = field(default="restart", kw_only=True)


@dataclass(frozen=True)
class Sign(Step):
    """Shows all that will happen and asks for the customer's agreement: the PIN by USSD or voice, by SMS a number minted
    for this one screen (see docs/decisions/0003). Triggers: `signed`, or `stopped` for 0."""

    drop: Drop = field(default="confirm", kw_only=True)


@dataclass(frozen=True)
class End(Step):
    """The conversation's last word; or, in a flow that was a detour, the trigger with which its caller goes on."""


@dataclass(frozen=True)
class Detour(Step):
    """Goes through another flow and comes back: the End it reaches is the trigger here."""

    flow: str = field(kw_only=True)


@dataclass(frozen=True)
class Go(Step):
    """Leaves for another flow and does not come back. `carry` takes answers along: its name there -> its name here."""

    flow: str = field(kw_only=True)
    carry: Mapping[str, str] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a list made while it is shown. `value` is saved; `trigger` is what choosing it means."""

    value: Value
    sentence: str
    holes: Mapping[str, Value] = field(default_factory=dict)
    trigger: str = "answered"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question that came from somebody else: what it is about, seconds since it was put, and whether it is the only one."""

    about: str
    age_seconds: float
    alone: bool


@dataclass(frozen=True, slots=True)
class Move:
    """One row: hears `trigger` `at` a step, goes `to` another, if `when` (and not `unless`), doing `do` on the way.

    `refused` is where a refusal of `do` leads; without it the refusal is told and the person stays where they are.
    """

    trigger: str
    at: str
    to: str
    when: str | None = None
    unless: str | None = None
    do: str | None = None
    refused: str | None = None


def move(
    trigger: str,
    at: str,
    to: str,
    *,
    when: str | None = None,
    unless: str | None = None,
    do: str | None = None,
    refused: str | None = None,
) -> Move:
    """One row of a flow's moves."""
    return Move(trigger, at, to, when, unless, do, refused)


class Flow:
    """One conversation. Subclasses set `title`, `steps`, `moves`, `keywords` and `holes`, and write the methods named.

    An instance lives for one turn, or until something is done in it. It sees: `db` (for reading, and in a `do=` the
    turn's transaction), `phone` and `member` (who is speaking; the member may be None), `channel`, `rules` (the product's
    limits and keys), `answers` (what was said so far) and `id` (minted when the conversation began: the operation id of
    whatever it does).
    """

    title: ClassVar[str] = ""
    steps: ClassVar[Sequence[Step]] = ()
    moves: ClassVar[Sequence[Move]] = ()
    keywords: ClassVar[Mapping[str, str]] = {}
    replies: ClassVar[str] = "[12]"
    """For flows that call people: what a text that answers the notice of it looks like (a pattern of the whole text)."""
    unfinished: ClassVar[str] = ""
    """What is told by text to a person whose line dropped in the middle; empty: it is not worth a text."""
    worth_saving: ClassVar[str] = ""
    """The answer from which on it is worth one."""
    holes: ClassVar[Mapping[str, Value]] = {}
    """Each hole of the flow's sentences with its longest possible value, for the lint."""

    step: ClassVar[dict[str, Step]]
    machine: ClassVar[Machine]

    def __init_subclass__(cls) -> None:
        cls.step = {step.name: step for step in cls.steps}
        cls.machine = _machine(cls.steps, cls.moves)

    def __init__(self, frame: "Frame", turn: Any) -> None:
        self.state = frame.step
        self.answers = frame.answers
        self.id = frame.id
        self._turn = turn

    @property
    def db(self) -> "Connection":
        """The database: for reading, and in a move's `do=` the turn's transaction."""
        connection: Connection = self._turn.db
        return connection

    @property
    def phone(self) -> "Msisdn":
        """The phone that is speaking."""
        phone: Msisdn = self._turn.phone
        return phone

    @property
    def member(self) -> "Member | None":
        """Who that phone belongs to, when it ever met us."""
        member: Member | None = self._turn.member
        return member

    @property
    def channel(self) -> "Channel":
        """How the person speaks to us in this turn."""
        channel: Channel = self._turn.channel
        return channel

    @property
    def rules(self) -> "Rules":
        """The product's limits and keys."""
        rules: Rules = self._turn.rules
        return rules

    def speak(self, language: str) -> None:
        """Go on in `language` from this turn's reply on."""
        self._turn.speak(language)

    def put_off(self, what: str) -> None:
        """Do not ask about `what` again until the person dials anew."""
        self._turn.put_off(what)

    def take_in_hand(self) -> None:
        """Every `do` begins here: the message is filed in the inbox before anything is done because of it."""
        self._turn.take_in_hand()

    def in_dialog(self) -> bool:
        """Whether the person dialled or calls: nothing of it stays in the phone, so that a secret may be asked for, and
        what was done is told by text as well."""
        return self.channel != "sms"

    def pin_missing(self) -> bool:
        """Whether this person, dialling or calling, has no PIN to agree with yet."""
        return self.in_dialog() and self.member is not None and not self.member.has_pin

    def waiting(self) -> "Waiting | None":
        """For flows that call people: the question that waits for this phone's answer, if any."""
        return None

    @classmethod
    def typed_ahead(cls, trigger: str, rest: str) -> list[str] | None:  # noqa: ARG003 - for those that override it
        """What follows a keyword in the same text, as the answers it stands for; None: the flow takes nothing there."""
        return None if rest else []


def _machine(steps: Sequence[Step], moves: Sequence[Move]) -> Machine:
    """The flow's machine: no model, no automatic transitions, nothing queued; effects run before the state changes."""
    machine = Machine(
        model=None,
        states=[START, *(step.name for step in steps)],
        initial=START,
        auto_transitions=False,
        send_event=False,
        queued=False,
    )
    for row in moves:
        machine.add_transition(
            row.trigger,
            row.at,
            row.to,
            conditions=row.when,
            unless=row.unless,
            before=["take_in_hand", row.do] if row.do else None,
        )
    return machine


class Registry:
    """The flows of a product, by name and by keyword. The first is home: where a conversation begins."""

    def __init__(self, flows: Mapping[str, type[Flow]], *, calling: Sequence[str] = ()) -> None:
        self._flows = dict(flows)
        self.home = next(iter(self._flows))
        self.calling = tuple(calling)
        self.keywords = {
            word: (name, trigger) for name, flow in flows.items() for word, trigger in flow.keywords.items()
        }

    def __getitem__(self, name: str) -> type[Flow]:
        return self._flows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._flows

    def items(self) -> list[tuple[str, type[Flow]]]:
        """Every flow with its name, in menu order."""
        return list(self._flows.items())
