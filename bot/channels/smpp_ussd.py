"""USSD over SMPP: a deliver_sm is one hop of a dialog, a submit_sm one screen. Vendors differ; how stands in
smpp_profiles.toml.

Source: SMPP 3.4, 5.3.2.43 (its_session_info) and 5.3.2.44 (ussd_service_op).
"""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.channels import smpp_texts
from bot.channels.smpp import sender
from bot.channels.smpp_link import Delivered
from bot.messages import Reply
from bot.parsing import tidy
from circulation.msisdn import Msisdn

PROFILES = Path(__file__).with_name("smpp_profiles.toml")
SERVICE_TYPE = "USSD"

_OPERATION = 0x0501
_PARAMETERS = {"its_session_info": 0x1383, "user_message_reference": 0x0204}


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to speak USSD over SMPP. The fields are explained in smpp_profiles.toml."""

    session: Literal["its_session_info", "user_message_reference"]
    session_bits: int
    end_bit: int
    begins: Collection[int]
    ends: Collection[int]
    asks: int
    last: int

    @classmethod
    def named(cls, name: str) -> "Profile":
        """The profile of that name. Raises ValueError, with the names there are."""
        profiles = tomllib.loads(PROFILES.read_text())
        if name not in profiles:
            raise ValueError(f"there is no profile {name!r}, only {', '.join(profiles)}")
        return cls(**profiles[name])


@dataclass(frozen=True, slots=True)
class Hop:
    """One deliver_sm of a dialog. `session` is the network's name of the session: good for one phone at one time."""

    msisdn: Msisdn
    session: str
    event: Literal["begins", "goes_on", "ends"]
    typed: str


def is_ussd(delivered: Delivered) -> bool:
    """Whether a deliver_sm belongs to a dialog."""
    return _OPERATION in delivered.tlvs or delivered.service_type == SERVICE_TYPE.encode()


def hop(profile: Profile, delivered: Delivered) -> Hop | None:
    """What a deliver_sm of a dialog says; None when it comes from no phone."""
    msisdn = sender(delivered)
    if msisdn is None:
        return None
    session = _session(profile, delivered)
    operation = int.from_bytes(delivered.tlvs.get(_OPERATION, b""))
    event: Literal["begins", "goes_on", "ends"] = "goes_on"
    if operation in profile.ends or session & profile.end_bit:
        event = "ends"
    elif operation in profile.begins:
        event = "begins"
    words = smpp_texts.decoded(delivered.data_coding or 0, delivered.short_message or b"")
    # what was dialled is the service code: it opens the menu and answers nothing
    typed = "" if event == "begins" else tidy(words)
    return Hop(msisdn, f"{session & profile.session_bits:04x}", event, typed)


def screen(profile: Profile, delivered: Delivered, reply: Reply) -> dict[str, Any]:
    """The fields of the submit_sm that shows `reply` in the dialog of `delivered`."""
    coding, body = smpp_texts.encoded(reply.text)
    session = _session(profile, delivered) & ~profile.end_bit
    if not reply.more:
        session |= profile.end_bit
    named: dict[str, int] = {profile.session: session} if _PARAMETERS[profile.session] in delivered.tlvs else {}
    return {
        "service_type": SERVICE_TYPE,
        "source_addr_ton": delivered.dest_addr_ton,
        "source_addr_npi": delivered.dest_addr_npi,
        "source_addr": (delivered.destination_addr or b"").decode("latin-1"),
        "dest_addr_ton": delivered.source_addr_ton,
        "dest_addr_npi": delivered.source_addr_npi,
        "destination_addr": (delivered.source_addr or b"").decode("latin-1"),
        "esm_class": 0,
        "registered_delivery": 0,
        "data_coding": coding,
        "short_message": body,
        **named,
        "ussd_service_op": profile.asks if reply.more else profile.last,
    }


def _session(profile: Profile, delivered: Delivered) -> int:
    return int.from_bytes(delivered.tlvs.get(_PARAMETERS[profile.session], b"")[:2])
