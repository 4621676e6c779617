"""A till for tests: what its clerk asks of the product, each in a transaction of its own."""

from dataclasses import dataclass
from uuid import uuid4

from circulation import one_time_codes, redemption, store_returns
from circulation.catalogue import Clerk
from circulation.money import Money
from circulation.one_time_codes import Payable
from circulation.redemption import Hold, Use
from circulation.store_returns import Reversal, StoreRefund
from storage.database import Database
from tests.people import People


def kes(amount_minor: int) -> Money:
    """Shillings, in cents."""
    return Money(amount_minor, "KES")


@dataclass(frozen=True)
class Till:
    """One clerk. `database` may have a clock of its own."""

    people: People
    clerk: Clerk
    database: Database

    @classmethod
    def at(cls, people: People, clerk: Clerk | None = None, database: Database | None = None) -> "Till":
        """A clerk's till; of a new store that takes Giftline and keeps 3 % when none is named."""
        return cls(people, clerk or people.clerk(), database or people.database)

    def check(self, code: str) -> Payable:
        with self.database.begin() as db:
            return one_time_codes.check(db, self.people.rules, clerk=self.clerk, code=code)

    def use(self, code: str, minor: int, use_id: str | None = None) -> Use:
        asked = {"use_id": use_id or str(uuid4()), "code": code}
        with self.database.begin() as db:
            return redemption.use(db, self.people.rules, clerk=self.clerk, amount=kes(minor), **asked)

    def authorise(self, code: str, minor: int, use_id: str | None = None) -> Hold:
        asked = {"use_id": use_id or str(uuid4()), "code": code}
        with self.database.begin() as db:
            return redemption.authorise(db, self.people.rules, clerk=self.clerk, amount=kes(minor), **asked)

    def capture(self, use_id: str, minor: int) -> Use:
        with self.database.begin() as db:
            return redemption.capture(db, self.people.rules, use_id=use_id, clerk=self.clerk, amount=kes(minor))

    def void(self, use_id: str) -> None:
        with self.database.begin() as db:
            redemption.void(db, self.people.rules, use_id=use_id, clerk=self.clerk)

    def time_out(self, use_id: str) -> None:
        with self.database.begin() as db:
            redemption.time_out(db, self.people.rules, use_id=use_id)

    def reverse(self, use_id: str) -> Reversal:
        with self.database.begin() as db:
            return store_returns.reverse(db, self.people.rules, use_id=use_id, clerk=self.clerk)

    def refund(self, reference: str, minor: int, refund_id: str | None = None) -> StoreRefund:
        asked = {"refund_id": refund_id or str(uuid4()), "reference": reference}
        with self.database.begin() as db:
            return store_returns.refund(db, self.people.rules, clerk=self.clerk, amount=kes(minor), **asked)
