"""Reconciling: asks each provider for its word on a period's charges, refunds and chargebacks, and compares it with ours."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TypeVar

from circulation import reconciliation
from circulation.money import Money
from circulation.reconciliation import Listed, OurRefund, Ours, Unmatched
from circulation.rules import Rules
from payments.gateway import Gateway, NotTaken, Unanswered
from storage.database import Database

EARLIER, LATER = timedelta(days=1), timedelta(days=2)
"""A provider dates what we asked for by its own clock, and by when it was asked or paid: up to so much before or after us."""
MOST_UNANSWERED = 5
"""So many questions in a row without an answer, and the rail is not asked any more."""

_Told = TypeVar("_Told")


@dataclass(slots=True)
class Reconciled:
    """What came of it: charges and refunds compared by rail, rails that could not be asked (to the end), and every line without
    a counterpart."""

    compared: dict[str, tuple[int, int]] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)


class Reconciling:
    """Reads only. Providers are asked outside every transaction."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    def __call__(self, since: date, until: date) -> Reconciled:
        """Compare the charges and refunds of these days (UTC, `until` excluded), and list what is open of any day."""
        done = Reconciled()
        with self._database.begin() as db:
            used = reconciliation.rails(db, since, until)
        for rail in [*self._rules.rails, *(name for name in used if name not in self._rules.rails)]:
            gateway = self._rules.rails.get(rail)
            if rail in ("phone_bill", "bank"):
                continue  # the own bill is ours alone, and the bank's word is its statement
            if gateway is None:
                done.silent.append(rail)
            else:
                _Rail(self._database, gateway, done).compare(since, until)
        with self._database.begin() as db:
            done.unmatched += reconciliation.open_items(db) + reconciliation.gaps(db)
        return done


class _Rail:
    """One provider being asked; what it is asked for is added to `done` as it comes."""

    def __init__(self, database: Database, gateway: Gateway, done: Reconciled) -> None:
        self._database = database
        self._gateway = gateway
        self._done = done
        self._missed = 0

    def compare(self, since: date, until: date) -> None:
        rail, (first, end) = self._gateway.rail, (since - EARLIER - LATER, until + EARLIER + LATER)
        with self._database.begin() as db:
            around = reconciliation.charges(db, rail, first, end)
            refunds = reconciliation.refunds(db, rail, since, until)
        our = [one for one in around if since <= one.created_on < until]
        try:
            listed = self._listed(since - EARLIER, until + LATER)
            if listed is None:
                self._one_by_one(our)
            else:
                named = self._named(around, reconciliation.unknown(around, listed))
                found = reconciliation.against_listing(rail, around, listed, named, since, until)
                self._done.unmatched += found
            self._refunds(refunds)
            self._disputes(our)
        except (Unanswered, NotTaken):
            self._done.silent.append(rail)
        else:
            self._done.compared[rail] = (len(our), len(refunds))

    def _listed(self, since: date, until: date) -> list[Listed] | None:
        """Day by day, so that each payment has its age; None when this provider lists nothing."""
        listed, day, now = [], since, datetime.now(UTC)
        while day < min(until, now.date() + EARLIER):
            following = day + timedelta(days=1)
            found = self._gateway.listing(day.isoformat(), following.isoformat())
            if found is None:
                return None
            age = (now - datetime.combine(day, time(), UTC)) / timedelta(days=1)
            listed += [Listed(one, age) for one in found if one.state == "paid"]
            day = following
        return listed

    def _named(self, our: list[Ours], unknown: list[Listed]) -> dict[str, Ours]:
        """Charges of ours that turn out to be what somebody paid there, though we were never told its name."""
        named: dict[str, Ours] = {}
        for one in our if unknown else []:
            if one.charge.handle and not one.paid:
                found = self._ask(partial(self._gateway.find, one.charge))
                if found is not None and found.state == "paid":
                    named[found.receipt or found.handle] = one
        return named

    def _one_by_one(self, our: list[Ours]) -> None:
        for one in our:
            if one.state in ("new", "asking"):
                continue  # nobody was asked yet
            found = self._ask(partial(self._gateway.find, one.charge))
            if found is None:
                self._no_answer(one.charge.reference, _amount(one), one.age_days)
            else:
                self._done.unmatched += reconciliation.against_answer(one, found)

    def _refunds(self, refunds: list[OurRefund]) -> None:
        for one in refunds:
            found = self._ask(partial(self._gateway.find_refund, one.refund))
            if found is None:
                amount = Money(one.refund.amount_minor, one.refund.charge.currency)
                self._no_answer(one.refund.reference, amount, one.age_days)
            else:
                self._done.unmatched += reconciliation.refund_against_answer(one, found)

    def _disputes(self, our: list[Ours]) -> None:
        for one in our:
            if one.paid:
                theirs = self._ask(partial(self._gateway.disputes, one.charge))
                if theirs is None:
                    self._no_answer(one.charge.reference, _amount(one), one.age_days)
                else:
                    self._done.unmatched += reconciliation.disputes_against(one, theirs)

    def _no_answer(self, reference: str, amount: Money, age_days: float) -> None:
        self._done.unmatched.append(reconciliation.unanswered(self._gateway.rail, reference, amount, age_days))

    def _ask(self, question: Callable[[], _Told]) -> _Told | None:
        """The answer; None when there was none now. Raises Unanswered or NotTaken when there is none any more."""
        try:
            told = question()
        except (Unanswered, NotTaken):
            self._missed += 1
            if self._missed >= MOST_UNANSWERED:
                raise
            return None
        self._missed = 0
        return told


def _amount(one: Ours) -> Money:
    return Money(one.charge.amount_minor, one.charge.currency)
