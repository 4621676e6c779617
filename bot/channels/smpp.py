"""SMPP: texts straight to and from the operator's SMSC, and what became of them. The line itself is smpp_link's.

Sources: SMPP 3.4, 4.4 (submit_sm), 4.6 (deliver_sm), 5.1.3 (statuses), 5.2.12 (esm_class), 5.2.17 (registered_delivery),
5.2.28 (message_state), 5.3.2.12 and .35 (receipts' parameters), appendix B (receipts as text). What is done about each
status stands in circulation/delivery_codes.py.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog

from bot.channels import SEND_SECONDS, smpp_texts
from bot.channels.smpp_link import ANSWER_SECONDS, Answer, Delivered, NoAnswer, NotSent
from bot.channels.smpp_texts import Place
from bot.config import Settings
from bot.messages import Outbound, Receipt, SendFailed, Sent
from circulation.delivery_codes import when_refused
from circulation.msisdn import Msisdn, from_provider

log = structlog.get_logger(__name__)

NAME = "smpp"
State = Literal["sent", "delivered", "undelivered", "failed"]

TAKEN = 0x00
QUEUE_FULL, THROTTLED = 0x14, 0x58
TOO_FAST = frozenset({QUEUE_FULL, THROTTLED})
"""The SMSC wants us slower: the same part is handed over again after a pause."""

STATES: Mapping[str, State] = {
    "ENROUTE": "sent",
    "ACCEPTD": "sent",
    "DELIVRD": "delivered",
    "EXPIRED": "undelivered",
    "UNDELIV": "undelivered",
    "DELETED": "failed",
    "REJECTD": "failed",
}
"""By the words of appendix B. UNKNOWN tells us nothing new."""
WORDS: Mapping[int, str] = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    8: "REJECTD",
}
"""The words for message_state. 7, unknown, tells us nothing new."""

BASES: Mapping[str, tuple[int, int]] = {"same": (0, 0), "decimal": (16, 10), "hex": (10, 16)}
"""In which base ids are written when a text is taken, and in receipts, by `SMPP_RECEIPT_IDS`; 0: they are just words."""

LAST_START_SECONDS = SEND_SECONDS - ANSWER_SECONDS
"""No part is begun later in a send, so that each has the time to be answered."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 4.0
"""How long all texts rest after a throttled one; each throttled one in a row doubles it, up to the longest."""

_INTERNATIONAL, _NETWORK, _ALPHANUMERIC, _UNKNOWN = (1, 1), (3, 0), (5, 0), (0, 0)  # type and plan of a number
_HEADED = 0x40  # esm_class: the body begins with a user data header
_KIND, _RECEIPT = 0x3C, 0x04  # esm_class: what a deliver_sm is
_REPORT_THE_END = 0x01
_RECEIPTED_ID, _MESSAGE_STATE, _ERROR_CODE, _PAYLOAD = 0x001E, 0x0427, 0x0423, 0x0424
_SAR = (0x020C, 0x020E, 0x020F)
_SAID_ID = re.compile(r"\bid: *([^ ]{1,65})", re.IGNORECASE)
_SAID_STATE = re.compile(r"\bstat: *([A-Za-z]{5,7})\b", re.IGNORECASE)
_SAID_ERROR = re.compile(r"\berr: *([0-9A-Za-z]{1,8})\b", re.IGNORECASE)
_ID = re.compile(r"[!-~]{1,65}")
_REMEMBERED = 1_000


class Submits(Protocol):
    """What carries submits: the line."""

    def submit(self, fields: Mapping[str, Any], seconds: float) -> Answer:
        """Hand one submit_sm to the SMSC, within so many seconds. Raises NotSent, NoAnswer."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a deliver_sm brought from a phone (None: from no phone that could be answered): all of a text, or a part."""

    msisdn: Msisdn | None
    place: Place | None
    coding: int
    body: bytes


class Smpp:
    """The SMSC that the settings name. Safe to use from several threads."""

    name = NAME

    def __init__(self, settings: Settings, line: Submits) -> None:
        self._line = line
        self._source = source_address(settings.smpp_from)
        self._bases = BASES[settings.smpp_receipt_ids]
        self._pace = _Pace()
        self._parcels = _Parcels()
        self._begun: OrderedDict[int, tuple[str, list[str]]] = OrderedDict()

    def send(self, message: Outbound) -> Sent:
        """Hand one text to the SMSC, part after part. Raises SendFailed.

        Its parts bear the same number at each attempt, and those that were taken are not handed over again, so that the phone
        puts together the parts of several attempts.
        """
        until = time.monotonic() + LAST_START_SECONDS
        before = self._begun.pop(message.id, None)
        ids = before[1] if before and before[0] == message.text else []
        try:
            for part in smpp_texts.parts(message.text, message.id)[len(ids) :]:
                ids.append(self._hand_over(self._fields(message.msisdn, part), until))
        except SendFailed:
            if ids:
                self._remember(message, ids)
            raise
        self._parcels.add(ids)
        return Sent(ids[-1])

    def receipt(self, delivered: Delivered) -> Receipt | None:
        """What a delivery receipt says of a message, or None when it says nothing new, or not yet of all its parts."""
        words = _body(delivered).decode("latin-1")
        name = delivered.tlvs.get(_RECEIPTED_ID, b"").split(b"\0")[0].decode("latin-1")
        said = _SAID_ID.search(words)
        name = _numbered(name or (said[1] if said else ""), self._bases[1])
        word = _state_word(delivered.tlvs.get(_MESSAGE_STATE, b""), words)
        state = STATES.get(word)
        if not _ID.fullmatch(name) or state is None:
            return None
        bad = state in {"undelivered", "failed"}
        if bad:  # the network's own reason means something else in each
            reason = _network_error(delivered.tlvs.get(_ERROR_CODE, b""), words)
            log.info("message not delivered", provider=NAME, state=word, network_error=reason)
        whole = self._parcels.told(name, state)
        return None if whole is None else Receipt(NAME, whole, 0, state, word if bad else "")

    def _fields(self, to: Msisdn, part: smpp_texts.Part) -> dict[str, Any]:
        return {
            **self._source,
            **_address("dest_addr_ton", "dest_addr_npi", "destination_addr", _INTERNATIONAL, to.e164[1:]),
            "esm_class": _HEADED if part.headed else 0,
            "registered_delivery": _REPORT_THE_END,
            "data_coding": part.coding,
            "short_message": part.body,
        }

    def _hand_over(self, fields: Mapping[str, Any], until: float) -> str:
        """The SMSC's name of one part. Waits as long as the SMSC is throttling us, and while there is time."""
        while True:
            if not self._pace.wait(until):
                raise SendFailed("slow", "resting")
            try:
                answer = self._line.submit(fields, ANSWER_SECONDS)
            except NotSent as not_sent:
                raise SendFailed("later", str(not_sent)) from None
            except NoAnswer:
                raise SendFailed("unknown", "no_answer") from None
            if answer.status == TAKEN:
                self._pace.goes_well()
                return _numbered(answer.message_id, self._bases[0]) if _ID.fullmatch(answer.message_id) else ""
            if answer.status not in TOO_FAST or not self._pace.too_fast(until):
                code = f"0x{answer.status:02x}"
                raise SendFailed(when_refused(NAME, code), code)

    def _remember(self, message: Outbound, ids: list[str]) -> None:
        self._begun[message.id] = (message.text, ids)
        while len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)


def is_receipt(delivered: Delivered) -> bool:
    """Whether a deliver_sm is about a message of ours, and not from a phone."""
    return bool((delivered.esm_class or 0) & _KIND)


def text(delivered: Delivered) -> Text:
    """The text, or the part of one, in a deliver_sm."""
    body = _body(delivered)
    place = smpp_texts.sar_place(*(delivered.tlvs.get(tag) for tag in _SAR))
    if (delivered.esm_class or 0) & _HEADED:
        headed, body = smpp_texts.unheaded(body)
        place = headed or place
    return Text(sender(delivered), place, delivered.data_coding or 0, body)


def sender(delivered: Delivered) -> Msisdn | None:
    """The phone a deliver_sm comes from; None when it is a short code or a name."""
    if delivered.source_addr_ton == _ALPHANUMERIC[0]:
        return None
    return from_provider((delivered.source_addr or b"").decode("latin-1"))


def source_address(ours: str) -> dict[str, Any]:
    """The source fields for our number, short code or name; empty: the SMSC puts its own."""
    kind = _UNKNOWN
    if ours.startswith("+"):
        kind = _INTERNATIONAL
    elif ours:
        kind = _NETWORK if ours.isdecimal() else _ALPHANUMERIC
    return _address("source_addr_ton", "source_addr_npi", "source_addr", kind, ours.removeprefix("+"))


def _numbered(name: str, base: int) -> str:
    """An id as it is kept: one number, however the SMSC writes it."""
    try:
        return str(int(name, base)) if base else name
    except ValueError:
        return name


def _address(ton: str, npi: str, address: str, kind: tuple[int, int], value: str) -> dict[str, Any]:
    return {ton: kind[0], npi: kind[1], address: value}


def _body(delivered: Delivered) -> bytes:
    return delivered.short_message or delivered.tlvs.get(_PAYLOAD, b"")


def _state_word(tlv: bytes, words: str) -> str:
    if tlv:
        return WORDS.get(tlv[0], "")
    said = _SAID_STATE.search(words)
    return said[1].upper() if said else ""


def _network_error(tlv: bytes, words: str) -> str:
    """The parameter is the kind of network, then the code."""
    if len(tlv) == 3:
        return str(int.from_bytes(tlv[1:]))
    said = _SAID_ERROR.search(words)
    return said[1] if said else ""


class _Pace:
    """How fast the SMSC wants us: after a throttled submit all texts rest, longer each time, until one is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rest = FIRST_WAIT_SECONDS
        self._go_on_at = 0.0

    def wait(self, until: float) -> bool:
        """Wait for the end of the rest. False, at once, when that is after `until`."""
        now = time.monotonic()
        if max(self._go_on_at, now) >= until:
            return False
        time.sleep(max(self._go_on_at - now, 0))
        return True

    def too_fast(self, until: float) -> bool:
        """Rest. False when the rest outlasts `until`."""
        with self._lock:
            now = time.monotonic()
            if now >= self._go_on_at:  # those who were under way together count once
                self._go_on_at = now + self._rest
                self._rest = min(self._rest * 2, LONGEST_WAIT_SECONDS)
            return self._go_on_at < until

    def goes_well(self) -> None:
        with self._lock:
            self._rest = FIRST_WAIT_SECONDS


class _Parcels:
    """The parts of long texts whose receipts are awaited. A text is delivered when all its parts are, undelivered when one is
    not. It is known to the outbox by its last part. After a restart only that part's receipt is heard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[str, set[str]]] = OrderedDict()  # part -> last part, parts without receipt
        self._early: OrderedDict[str, State] = OrderedDict()

    def add(self, ids: list[str]) -> None:
        """A text was taken in these parts."""
        if len(ids) < 2:
            return
        with self._lock:
            waiting = {name for name in ids if name and self._early.pop(name, "") != "delivered"}
            for name in waiting:
                self._open[name] = (ids[-1], waiting)
            while len(self._open) > _REMEMBERED:
                self._open.popitem(last=False)

    def told(self, name: str, state: State) -> str | None:
        """The name of the text of which this receipt of a part is the last word; None when it is not."""
        with self._lock:
            if name not in self._open:
                self._early[name] = state
                while len(self._early) > _REMEMBERED:
                    self._early.popitem(last=False)
                return name
            last, waiting = self._open[name]
            if state == "sent":
                return None
            del self._open[name]
            waiting.discard(name)
            if state != "delivered":
                for other in waiting:
                    self._open.pop(other, None)
                return last
            return None if waiting else last
