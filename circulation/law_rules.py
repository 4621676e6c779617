"""The rules a law is made of, each as its table in a pack's file says it.

A rule's `source` is the statute, the report with its year, or house policy. Amounts are minor units of the law's currency.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

WHOLE = 10_000
"""Basis points in the whole."""

Then = Literal["breakage", "escheat"]
"""What becomes of value nobody asked for: the operator's income, or the state's to keep for the owner."""


def _falling(days: tuple[int, ...]) -> tuple[int, ...]:
    if any(later >= earlier for earlier, later in pairwise(days)):
        raise ValueError("days before expiry are listed from most to fewest, each once")
    return days


def _rising(bands: "tuple[Band, ...]") -> "tuple[Band, ...]":
    edges = [band.face_above_minor for band in bands]
    if edges != sorted(set(edges)) or edges[:1] not in ([], [0]):
        raise ValueError("the first band begins at face_above_minor = 0 and each later one higher")
    return bands


Count = Annotated[int, Field(strict=True, ge=0, le=1_200)]
Positive = Annotated[int, Field(strict=True, ge=1, le=1_200)]
Minor = Annotated[int, Field(strict=True, ge=0)]
Bps = Annotated[int, Field(strict=True, ge=0, le=WHOLE)]
Flag = Annotated[bool, Field(strict=True)]
Source = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Rule:
    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Band(_Rule):
    """A share in basis points for certificates whose face is above this amount, up to the next band."""

    face_above_minor: Minor
    bps: Bps


Bands = Annotated[tuple[Band, ...], AfterValidator(_rising)]


@dataclass(frozen=True, slots=True)
class Validity(_Rule):
    """How many months after its issue a certificate can be spent. Fixed at issue."""

    months: Positive | Literal["never expires"]
    source: Source


@dataclass(frozen=True, slots=True)
class Reminders(_Rule):
    """How many days before the last one the holder is reminded."""

    days: Annotated[tuple[Positive, ...], AfterValidator(_falling)]
    source: Source


@dataclass(frozen=True, slots=True)
class Extension(_Rule):
    """How many months an extension adds and how often it can be asked for; 0 times is never."""

    months: Positive
    times: Count
    source: Source


@dataclass(frozen=True, slots=True)
class RefundWindow(_Rule):
    """For how many days after the day of purchase an unused certificate goes back, and whether the buyer fee does too."""

    days: Count
    fee_returned: Flag
    source: Source


@dataclass(frozen=True, slots=True)
class RefundAfterExpiry(_Rule):
    """Which share of the rest is paid back after expiry, by face value."""

    shares: Annotated[Bands, Field(min_length=1)]
    source: Source
    applies_to_existing: Flag = False


@dataclass(frozen=True, slots=True)
class Limitation(_Rule):
    """For how many months after expiry the refund can be asked for, and what the rest becomes then."""

    months: Positive
    then: Then
    source: Source


@dataclass(frozen=True, slots=True)
class CashOut(_Rule):
    """When what is left is paid out before expiry. All conditions must hold.

    The rest is above `balance_above_minor` and, if that is set, below `balance_below_minor`; something was spent if
    `after_use`; at least the share in `used` was spent, by face value. `applies_to_general_use` says whether certificates
    that many unrelated stores take have the right.
    """

    applies_to_general_use: Flag
    source: Source
    balance_above_minor: Minor = 0
    balance_below_minor: Minor | None = None
    after_use: Flag = False
    used: Bands = ()
    applies_to_existing: Flag = False


def bps_for(bands: tuple[Band, ...], face_minor: int) -> int:
    """The share of the band a face is in, in basis points; 0 where there are no bands."""
    reached = [band for band in bands if band.face_above_minor < face_minor] or bands[:1]
    return reached[-1].bps if reached else 0


def worse_refund(new: RefundAfterExpiry, old: RefundAfterExpiry) -> bool:
    """Whether some certificate has less back by the new rule."""
    return any(bps_for(new.shares, face) < bps_for(old.shares, face) for face in _faces(new.shares, old.shares))


def worse_cash_out(new: CashOut, old: CashOut | None) -> bool:
    """Whether some certificate is paid out by the old rule and might not be by the new one."""
    if old is None:
        return False
    return (
        (old.applies_to_general_use and not new.applies_to_general_use)
        or (new.after_use and not old.after_use)
        or new.balance_above_minor > old.balance_above_minor
        or _below(new) < _below(old)
        or any(bps_for(new.used, face) > bps_for(old.used, face) for face in _faces(new.used, old.used))
    )


def _below(rule: CashOut) -> tuple[bool, int]:
    """How high a rest may be, to compare: no limit is the highest."""
    return (rule.balance_below_minor is None, rule.balance_below_minor or 0)


def _faces(*bands: tuple[Band, ...]) -> set[int]:
    """One face out of every band."""
    return {band.face_above_minor + 1 for several in bands for band in several}
