"""Law: how long a certificate lives, what is owed when it has expired, and when a small rest is paid out.

The figures stand in law packs, TOML files in `circulation/laws`, one for each country or state; no country is named in code.
docs/law.md says how they are written. A version of a pack has an id, "KR-2025-09-16", whose meaning never changes: a
certificate keeps the id it was issued under. Nothing here reads a database or a clock. Dates are days in the certificate's
own place, amounts minor units.
"""

import tomllib
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from circulation.law_rules import (
    WHOLE,
    CashOut,
    Extension,
    Limitation,
    RefundAfterExpiry,
    RefundWindow,
    Reminders,
    Then,
    Validity,
    bps_for,
    worse_cash_out,
    worse_refund,
)

LAWS = Path(__file__).parent / "laws"
HOUSE = "house"
"""The pack of every country that has none of its own."""


class LawRefused(ValueError):
    """A pack cannot be used; the message names the file, the place in it and the fault."""


@dataclass(frozen=True, slots=True)
class Law:
    """One dated version of one pack. Its amounts are minor units of `currency`; None: it names no amounts."""

    id: str
    pack: str
    effective_from: date
    currency: str | None
    validity: Validity
    reminders: Reminders
    extension: Extension
    refund_window: RefundWindow
    refund_after_expiry: RefundAfterExpiry
    limitation: Limitation
    cash_out: CashOut | None


@dataclass(frozen=True, slots=True)
class Laws:
    """Every version of every pack, oldest first."""

    packs: Mapping[str, tuple[Law, ...]]

    def pack_for(self, place: str) -> str:
        """The pack of an ISO 3166 code: a state's own, else its country's, else `house`."""
        for name in (place, place.partition("-")[0]):
            if name in self.packs:
                return name
        return HOUSE

    def in_force(self, pack: str, on: date) -> Law:
        """The newest version that had begun on that day. Raises LookupError for an unknown pack and for a day too early."""
        begun = [law for law in self._versions(pack) if law.effective_from <= on]
        if not begun:
            raise LookupError(f"no version of {pack} was in force on {on}")
        return begun[-1]

    def by_id(self, law_id: str) -> Law:
        """The version with this id. Raises LookupError if there is none."""
        for versions in self.packs.values():
            for law in versions:
                if law.id == law_id:
                    return law
        raise LookupError(f"there is no law {law_id}")

    def best_for_holder(self, law_id: str, on: date) -> Law:
        """What a certificate issued under this id is due on that day. Raises LookupError for an unknown id.

        The law of its issue, with the rules of later versions that say `applies_to_existing` and are worse in nothing.
        """
        law = self.by_id(law_id)
        for later in self._versions(law.pack):
            if not law.effective_from < later.effective_from <= on:
                continue
            refund, cash_out = later.refund_after_expiry, later.cash_out
            if refund.applies_to_existing and not worse_refund(refund, law.refund_after_expiry):
                law = replace(law, refund_after_expiry=refund)
            if cash_out and cash_out.applies_to_existing and not worse_cash_out(cash_out, law.cash_out):
                law = replace(law, cash_out=cash_out)
        return law

    def _versions(self, pack: str) -> tuple[Law, ...]:
        if pack not in self.packs:
            raise LookupError(f"there is no law pack {pack}; known are {', '.join(sorted(self.packs))}")
        return self.packs[pack]


def expires_on(law: Law, issued: date) -> date | None:
    """The last day a certificate issued on that day can be spent; None: it never expires."""
    if isinstance(law.validity.months, str):
        return None
    return _months_after(issued, law.validity.months)


def reminders(law: Law, expires_on: date | None) -> tuple[date, ...]:
    """The days to remind the holder on, soonest first; none if it never expires."""
    if expires_on is None:
        return ()
    return tuple(expires_on - timedelta(days=days) for days in law.reminders.days)


def extended(law: Law, expires_on: date, times: int) -> date | None:
    """The new last day after one more extension; None if the `times` it was extended before are all it may have."""
    if times >= law.extension.times:
        return None
    return _months_after(expires_on, law.extension.months)


def refundable_until(law: Law, issued: date) -> date:
    """The last day an unused certificate goes back to its buyer. The day of purchase is not counted."""
    return issued + timedelta(days=law.refund_window.days)


def refund_after_expiry_minor(law: Law, *, face_minor: int, balance_minor: int, currency: str) -> int:
    """What an expired certificate pays back, rounded up to the holder. Raises ValueError for an impossible balance.

    The bands of a law cannot be read in another currency: then the holder has the best of them.
    """
    _check(face_minor, balance_minor)
    shares = law.refund_after_expiry.shares
    known = law.currency in (None, currency)
    bps = bps_for(shares, face_minor) if known else max(band.bps for band in shares)
    return -(-balance_minor * bps // WHOLE)


def limitation_ends(law: Law, expired: date) -> date:
    """The last day a refund can be asked for, if `expired` was the last day to spend."""
    return _months_after(expired, law.limitation.months)


def at_limitation(law: Law) -> Then:
    """What becomes of a rest that nobody asked for before the limitation ended."""
    return law.limitation.then


def residual_cash_minor(law: Law, *, face_minor: int, balance_minor: int, currency: str, general_use: bool) -> int:
    """What the holder may have in cash before expiry: all that is left, or 0. Raises ValueError for an impossible balance.

    A certificate in another currency than the law's has no such right.
    """
    _check(face_minor, balance_minor)
    rule = law.cash_out
    if rule is None or law.currency not in (None, currency) or (general_use and not rule.applies_to_general_use):
        return 0
    used_minor = face_minor - balance_minor
    owed = (
        balance_minor > rule.balance_above_minor
        and (rule.balance_below_minor is None or balance_minor < rule.balance_below_minor)
        and (used_minor > 0 or not rule.after_use)
        and used_minor * WHOLE >= face_minor * bps_for(rule.used, face_minor)
    )
    return balance_minor if owed else 0


def _check(face_minor: int, balance_minor: int) -> None:
    if not 0 <= balance_minor <= face_minor:
        raise ValueError("a balance is between nothing and the face")


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Stated(_Part):
    """The rules a version may state. What it leaves out it has from the version before, or from what it builds on."""

    validity: Validity | None = None
    reminders: Reminders | None = None
    extension: Extension | None = None
    refund_window: RefundWindow | None = None
    refund_after_expiry: RefundAfterExpiry | None = None
    limitation: Limitation | None = None
    cash_out: CashOut | None = None


class _Version(_Stated):
    effective_from: Annotated[date, Field(strict=True)]


class _Pack(_Part):
    version: list[_Version] = Field(min_length=1)
    based_on: str | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")


def load(folder: Path = LAWS) -> Laws:
    """Every pack of the folder. Raises LawRefused; then none can be used."""
    written = {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}
    if HOUSE not in written:
        raise LawRefused(f"{HOUSE}.toml is missing; countries without a pack of their own need it")
    read: dict[str, tuple[Law, ...]] = {}
    for name in written:
        _build(name, written, read, ())
    return Laws(MappingProxyType(read))


def _read(path: Path) -> _Pack:
    try:
        pack = _Pack.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LawRefused(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise LawRefused(f"{path.name}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
    dates = [version.effective_from for version in pack.version]
    if dates != sorted(set(dates)):
        raise LawRefused(f"{path.name}: version: versions stand oldest first, each with a date of its own")
    return pack


def _build(name: str, written: Mapping[str, _Pack], read: dict[str, tuple[Law, ...]], above: tuple[str, ...]) -> None:
    """Put the pack's versions into `read`, those of what it builds on before. `above` is what led here."""
    if name in read:
        return
    pack = written[name]
    if pack.based_on is not None:
        if pack.based_on not in written:
            raise LawRefused(f"{name}.toml: based_on: there is no pack {pack.based_on}")
        if pack.based_on in (*above, name):
            raise LawRefused(f"{name}.toml: based_on: {' builds on '.join((*above, name, pack.based_on))}")
        _build(pack.based_on, written, read, (*above, name))
    own: dict[str, Any] = {}
    versions = []
    for version in pack.version:
        own |= {rule: stated for rule in _Stated.model_fields if (stated := getattr(version, rule)) is not None}
        base = _base(name, pack, version, read)
        versions.append(_law(name, pack, version, {**_rules_of(base), **own}, base))
    read[name] = tuple(versions)


def _base(name: str, pack: _Pack, version: _Version, read: Mapping[str, tuple[Law, ...]]) -> Law | None:
    """The version of the pack built on that was in force when this one began: a newer one must not change its meaning."""
    if pack.based_on is None:
        return None
    begun = [law for law in read[pack.based_on] if law.effective_from <= version.effective_from]
    if not begun:
        raise LawRefused(f"{name}.toml: {version.effective_from}: {pack.based_on} had no version yet to build on")
    return begun[-1]


def _law(name: str, pack: _Pack, version: _Version, rules: dict[str, Any], base: Law | None) -> Law:
    place = f"{name}.toml: {version.effective_from}"
    currency = pack.currency or (base.currency if base else None)
    if base and base.currency not in (None, currency):
        raise LawRefused(f"{name}.toml: currency: {currency} is not {base.currency}, that of {pack.based_on}")
    for rule in _Stated.model_fields:
        if rule != "cash_out" and rule not in rules:
            raise LawRefused(f"{place}: {rule} is stated neither here nor in what this builds on")
    law = Law(
        id=f"{name}-{version.effective_from}",
        pack=name,
        effective_from=version.effective_from,
        currency=currency,
        cash_out=rules.pop("cash_out", None),
        **rules,
    )
    if currency is None and any(_amounts(law)):
        raise LawRefused(f"{place}: its amounts need a currency")
    return law


def _rules_of(law: Law | None) -> dict[str, Any]:
    return {rule: getattr(law, rule) for rule in _Stated.model_fields if law and getattr(law, rule) is not None}


def _amounts(law: Law) -> list[int]:
    bands = law.refund_after_expiry.shares
    if law.cash_out is None:
        return [band.face_above_minor for band in bands]
    limits = [law.cash_out.balance_above_minor, law.cash_out.balance_below_minor or 0]
    return [*limits, *(band.face_above_minor for band in (*bands, *law.cash_out.used))]
