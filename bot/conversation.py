"""Where one person stands: a stack of flows with their answers, and what was last shown. Plain data, sealed at rest."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any
from uuid import uuid4

from bot.dialog import START
from bot.messages import Channel, Reply
from circulation.values import Value, pack, unpack

_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

_NOTHING = Reply("")

TRAIL = 10
"""How many steps back a person may go."""


@dataclass(slots=True)
class Frame:
    """One flow under way. `id` was minted when it began: the operation id of whatever it will do.

    `shown` is the list as it was last shown, (trigger, value) by number: a menu is answered against that, never against
    one computed again. `agreement` is the digest of the number that would sign the screen last shown by SMS. By voice a
    long list is said in parts: `part` is the one that was said last.
    """

    flow: str
    step: str = START
    id: str = field(default_factory=lambda: str(uuid4()))
    answers: dict[str, Value] = field(default_factory=dict)
    trail: list[str] = field(default_factory=list)
    shown: list[tuple[str, Value]] = field(default_factory=list)
    agreement: str = ""
    part: int = 0


@dataclass(slots=True)
class Conversation:
    """A person's place. Empty `frames`: nothing is going on.

    `pages` are the rest of a text too long for one screen. `session`, `heard` and `digest` say how much of which USSD
    session's transcript was understood, or how many answers of which call; `last_key` and `last_reply` answer an exact
    repeat; `shown_on` and `shown_at` (seconds since 1970) say where and when the last screen was shown; `later` are
    questions put off; `texts_by` is the provider that SQL knows as this person's for texts; `secret`: the last text, with
    all its pages, shows a code.
    """

    frames: list[Frame] = field(default_factory=list)
    language: str = ""
    pages: list[str] = field(default_factory=list)
    session: str = ""
    heard: int = 0
    digest: str = ""
    last_key: str = ""
    last_reply: Reply = _NOTHING
    shown_on: Channel | None = None
    shown_at: float = 0
    later: list[str] = field(default_factory=list)
    texts_by: str = ""
    secret: bool = False
    said: list[tuple[int, str, bool]] = field(default_factory=list)
    silent_until: float = 0
    phone: str = ""
    offer: str = ""

    @property
    def top(self) -> Frame:
        """The flow that is speaking."""
        return self.frames[-1]

    def to_bytes(self) -> bytes:
        """The place as JSON."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        plain["frames"] = [_frame_to_json(frame) for frame in self.frames]
        plain["last_reply"] = astuple(self.last_reply)
        return _JSON.encode(plain).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> "Conversation":
        """What `to_bytes` gave; an empty place for no bytes."""
        if not body:
            return cls()
        plain = json.loads(body)
        plain["frames"] = [_frame_from_json(frame) for frame in plain["frames"]]
        plain["last_reply"] = Reply(*plain["last_reply"])
        return cls(**plain)


def _frame_to_json(frame: Frame) -> dict[str, Any]:
    return {
        "flow": frame.flow,
        "step": frame.step,
        "id": frame.id,
        "answers": pack(frame.answers),
        "trail": frame.trail[-TRAIL:],
        "shown": [[trigger, pack({"": value})[""]] for trigger, value in frame.shown],
        "agreement": frame.agreement,
        "part": frame.part,
    }


def _frame_from_json(plain: Mapping[str, Any]) -> Frame:
    shown = [(trigger, unpack({"": value})[""]) for trigger, value in plain["shown"]]
    return Frame(**{**plain, "answers": unpack(plain["answers"]), "shown": shown})
