"""Words that work anywhere, in every language we speak. Carriers' opt-out and opt-in words are never among them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

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

RESERVED = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT", "START", "YES", "UNSTOP", "INFO"}
)
"""Words by which carriers take a phone off our list, or put it back (Twilio's default lists). Typed alone they never
reach us, or silence us: no keyword or option of ours may be one of them."""
