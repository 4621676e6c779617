"""The protocol of every rail, and the plain values it speaks in. One file of this package is one rail.

A charge is our request that a buyer pays. Its id is minted and stored before anything is asked outside, so that an
answer which never came can be looked for. What a provider tells us unasked (a callback) is a hint: it only says what to
fetch. The worker calls a gateway outside every transaction; no turn of a conversation ever does.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

State = Literal["pending", "needs_code", "reserved", "paid", "failed", "absent"]
"""pending: the payer, or the rail, has still to act. needs_code: the payer's network sent them a code that `validate`
passes on. reserved: the payer can pay, `capture` takes it. paid and failed are final. absent: the provider knows no such
charge."""

Reason = Literal[
    "",
    "no_funds",
    "over_limit",
    "refused",
    "wrong_pin",
    "unreachable",
    "busy",
    "expired",
    "cancelled",
    "unknown_payer",
    "other",
]
"""Why a charge failed, in our words. busy: the payer's line was taken (a USSD session); it may be asked again."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge, as a rail needs to know it. Amounts are minor units of `currency` (ISO 4217).

    `id` is a UUID minted beforehand and given to the provider wherever it takes a key of ours. `msisdn` is the payer's
    phone in E.164. `reference` is what people read (8 letters and digits); `handle` is the provider's name of our
    request and `receipt` its name of the payment, both empty until known.
    """

    id: str
    msisdn: str = field(repr=False)
    amount_minor: int
    currency: str
    reference: str
    handle: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to be sent back for a charge that was paid. `id` (UUID), `reference` and `handle` are the refund's own."""

    id: str
    charge: Charge
    amount_minor: int
    reference: str
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rail says, when it is asked, of a charge or a refund (for a refund `paid` means: the money went back).

    `amount_minor` and `currency` are the provider's own figures, None and empty where its answer has none. `receipt` is
    unique within the rail. `link` is the page on which the payer pays.
    """

    state: State
    handle: str = ""
    receipt: str = ""
    amount_minor: int | None = None
    currency: str = ""
    reason: Reason = ""
    link: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A chargeback: the payer's bank takes a payment back. `state` of the provider's answer: open, won or lost (by us)."""

    id: str
    amount_minor: int
    currency: str
    state: Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True)
class Callback:
    """A request that came in at a rail's door: header names in lower case, the raw body, and the last parts of the path."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    secret: str = field(repr=False, default="")
    charge_id: str = ""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a callback is about: enough to know what to fetch, and what it claimed (kept for the operator, never believed).

    `event` is unique for the rail, so that a repeated callback is known. `charge_id` or `handle` names the charge (either may be
    empty); `refund_id` or a non-empty `dispute` say that it is about one of those.
    """

    event: str
    charge_id: str = ""
    handle: str = ""
    receipt: str = ""
    refund_id: str = ""
    dispute: str = ""
    amount_minor: int | None = None
    currency: str = ""


class Forged(Exception):
    """A callback that did not come from the provider, or cannot be read. Answered with 4xx; nothing is kept of its words."""


class Unanswered(Exception):
    """No clear answer: what was asked may have been done. It is an unknown outcome, and is looked for."""


class NotTaken(Exception):
    """A clear answer that nothing was done now; it may be asked again after `retry_after` seconds (0: our own schedule).

    `alarm`: our own settings are at fault (keys, account), which the operator must hear of.
    """

    def __init__(self, code: str, retry_after: float = 0, *, alarm: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.alarm = alarm


class Gateway(ABC):
    """One rail run by somebody else. Each call that asks outside raises Unanswered or NotTaken, and nothing else.

    `rail` is its name in the database, `account` the ledger account its money arrives in (circulation/chart.py);
    `wait_seconds` how long a payer has to act before the charge is given up.
    """

    rail: ClassVar[str]
    account: ClassVar[str]
    door: ClassVar[str] = ""
    """Its name in the addresses it is told to call, where that may not be its own; empty: the rail's."""
    wait_seconds: ClassVar[int]
    ask_after_seconds: ClassVar[int] = 0
    """How long after the order the payer is asked: a prompt on the phone needs its USSD session to have ended."""
    acknowledgement: ClassVar[tuple[int, str]] = (200, "")
    """Status and JSON body with which the provider wants a callback to be answered."""

    @abstractmethod
    def fits(self, msisdn: str, amount_minor: int, currency: str) -> bool:
        """Whether this rail takes such a charge at all (currency, country, smallest unit, limits). Asks nobody."""

    def can_pay(self, charge: Charge) -> bool | None:
        """Ask the rail whether this payer can pay, before anything is asked of them. None: this rail cannot tell."""
        return None

    @abstractmethod
    def ask(self, charge: Charge) -> Found:
        """Ask the payer to pay. Asking twice with the same id charges once, where the provider keeps such a promise."""

    @abstractmethod
    def find(self, charge: Charge) -> Found:
        """Fetch what became of a charge: the only thing on which value moves."""

    def validate(self, charge: Charge, code: str) -> Found:
        """Pass on the code that the payer's network sent them; `failed` with reason wrong_pin when it is not right."""
        raise NotImplementedError(f"{self.rail} asks for no code")

    def capture(self, charge: Charge) -> Found:
        """Take what was reserved."""
        raise NotImplementedError(f"{self.rail} reserves nothing")

    def cancel(self, charge: Charge) -> Found:
        """Give up a charge that waits; what it has become (it may have been paid at the last moment)."""
        return self.find(charge)

    @abstractmethod
    def refund(self, refund: Refund) -> Found:
        """Send money back to the payer. Asking twice with the same id pays once, where the provider keeps such a promise."""

    @abstractmethod
    def find_refund(self, refund: Refund) -> Found:
        """Fetch what became of a refund."""

    def disputes(self, charge: Charge) -> list[Dispute]:
        """Fetch the chargebacks of a charge; none on rails that know no such thing."""
        return []

    @abstractmethod
    def hint(self, callback: Callback) -> Hint:
        """Verify and read a callback. Raises Forged."""

    def listing(self, since: str, until: str) -> list[Found] | None:
        """Every payment the provider has between two dates (ISO, `until` excluded), for reconciliation: `handle`, `receipt`,
        amount and currency. None: this provider cannot list; charges are then compared one by one."""
        return None
