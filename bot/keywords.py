"""Words that work anywhere, in every language we speak. Carriers' opt-out and opt-in words are never among them."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from circulation.wishes import Purpose

Anywhere = Literal["menu", "back", "more"]

ANYWHERE: Mapping[str, Anywhere] = MappingProxyType(
    {
        "00": "menu",
        "MENU": "menu",
        "MENYU": "menu",
        "BACK": "back",
        "RUDI": "back",
        "98": "more",
        "MORE": "more",
        "ZAIDI": "more",
    }
)

STOPS: Mapping[str, Purpose] = MappingProxyType(
    {
        "STOP": "all",
        "STOPALL": "all",
        "STOP ALL": "all",
        "UNSUBSCRIBE": "all",
        "END": "all",
        "QUIT": "all",
        "CANCEL": "all",
        "REVOKE": "all",
        "OPTOUT": "all",
        "OPT OUT": "all",
        "ACHA": "all",
        "SITISHA": "all",
        "STOP GIFTS": "gift",
        "ACHA ZAWADI": "gift",
        "SITISHA ZAWADI": "gift",
        "STOP REMINDERS": "reminder",
        "ACHA VIKUMBUSHO": "reminder",
        "SITISHA VIKUMBUSHO": "reminder",
    }
)
"""What ends which texts of ours: carriers' lists (Twilio's defaults, CTIA), and the same in Swahili."""
STARTS = frozenset({"START", "UNSTOP"})
RESERVED = frozenset({*STOPS, *STARTS, "YES", "INFO"})
"""Words by which a phone is taken off our list or put back. Typed alone they never reach us, or silence us: no keyword or
option of ours may be one of them."""

_WORDS = re.compile(r"[^\W_]+")
_LONGEST = 64


def declines(text: str) -> Purpose | None:
    """Which texts of ours are no longer wanted; None when `text` is anything but one of the words for it, alone.

    Case, punctuation, blanks, full-width letters and the long s make no difference.
    """
    return STOPS.get(_bare(text))


def wants_again(text: str) -> bool:
    """Whether our texts are wanted again."""
    return _bare(text) in STARTS


def reserved(text: str) -> bool:
    """Whether carriers, or we, would act on these words when they are all that is typed."""
    return _bare(text) in RESERVED


def _bare(text: str) -> str:
    return (
        " ".join(_WORDS.findall(unicodedata.normalize("NFKC", text[:_LONGEST]).upper()))
        if len(text) <= _LONGEST
        else ""
    )
