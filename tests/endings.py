"""Certificates bought over rails without a provider, the days that pass, and what came of them: for tests of money back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from circulation import cash_out, disputes, expiry, gifting, law, receipts, redemption, refunds, reminders, sales
from circulation.members import Member
from circulation.money import Money
from circulation.rules import Rules
from payments import refunds as refund_rows
from payments.bank_transfer import BankTransfer
from payments.gateway import Dispute
from tests.people import People, Text

FACE = 50_000
FEE = 1_000
RAILS = ("phone_bill", "carrier", "card", "mobile", "bank")


class Card(BankTransfer):
    """Cards, of whose provider the test plays the part."""

    rail = "card"
    account = "1110"


class Mobile(BankTransfer):
    """Mobile money, of whose provider the test plays the part."""

    rail = "mobile"
    account = "1130"


class Carrier(BankTransfer):
    """The bill of another network."""

    rail = "carrier"
    account = "1120"


def kes(amount_minor: int) -> Money:
    """So many cents of a shilling."""
    return Money(amount_minor, "KES")


def rules_for(people: People, *, pack: str = "KE", currency: str = "KES", rails: Sequence[str] = RAILS) -> Rules:
    """The rules, with these ways to pay and the law of this place."""
    known = {one.rail: one(currency=currency, account_shown="") for one in (Carrier, Card, Mobile, BankTransfer)}
    offered = {rail: None if rail == "phone_bill" else known[rail] for rail in rails}
    return replace(people.generous, rails=offered, law_pack=pack)


@dataclass
class Endings:
    """One deployment: its people, its rules and its days."""

    people: People
    rules: Rules

    # Buying and using -------------------------------------------------------------------------------------------------
    def price(self, prefix: str, amount_minor: int, currency: str) -> int:
        """A price, made when it is not on sale yet; its fee is a fiftieth."""
        made = """
            INSERT INTO denomination (issuer_id, amount_minor, fee_minor, currency)
            SELECT id, :minor, :minor / 50, :currency FROM issuer WHERE prefix = :prefix
            ON CONFLICT (issuer_id, currency, amount_minor) DO UPDATE SET currency = excluded.currency RETURNING id"""
        return int(self.people.value(made, prefix=prefix, minor=amount_minor, currency=currency))

    def buy(
        self,
        buyer: Member,
        rail: str = "bank",
        *,
        sheets: int = 1,
        prefix: str = "SB",
        amount_minor: int = FACE,
        currency: str = "KES",
    ) -> str:
        """Sheets that were paid over this rail; the purchase's id, which is its charge's too."""
        price, purchase_id = self.price(prefix, amount_minor, currency), str(uuid4())
        with self.people.database.begin() as db:
            fee = db.execute(text("SELECT fee_minor FROM denomination WHERE id = :id"), {"id": price}).scalar_one()
            total = Money(amount_minor + fee, currency) * sheets
            asked: dict[str, Any] = {
                "purchase_id": purchase_id,
                "buyer": buyer,
                "denomination_id": price,
                "sheets": sheets,
            }
            if rail == "phone_bill":
                sales.buy(db, self.rules, **asked, expected=total, receipt=False)
            else:
                sales.order(db, self.rules, **asked, expected=total, rail=rail)
                receipts.received(db, self.rules, charge_id=purchase_id, receipt=str(uuid4()), amount=total)
        self.forget_texts()
        return purchase_id

    def sheets(self, purchase_id: str) -> list[int]:
        """The certificates of a purchase."""
        rows = self.people.rows("SELECT id FROM certificate WHERE purchase_id = :id ORDER BY id", id=purchase_id)
        return [row.id for row in rows]

    def certificate(self, holder: Member, rail: str = "bank", **price: Any) -> int:
        """One certificate that its holder bought over this rail."""
        return self.sheets(self.buy(holder, rail, **price))[0]

    def spend(self, holder: Member, certificate: int, amount: Money, prefix: str = "SB") -> None:
        """Pay something with it in a shop."""
        clerk, code = self.people.clerk(prefix), self.people.code(holder, certificate)
        with self.people.database.begin() as db:
            redemption.use(db, self.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=amount)
        self.forget_texts()

    def hold(self, holder: Member, certificate: int, amount: Money, prefix: str = "SB") -> None:
        """A store holds something of it, and takes nothing yet."""
        clerk, code = self.people.clerk(prefix), self.people.code(holder, certificate)
        with self.people.database.begin() as db:
            redemption.authorise(db, self.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=amount)
        self.forget_texts()

    def end_holds(self) -> int:
        """The chore that ends what stores hold too long."""
        with self.people.database.begin() as db:
            due = redemption.due(db, limit=100)
            for use in due:
                redemption.time_out(db, self.rules, use_id=use)
        return len(due)

    def give(self, giver: Member, certificate: int, recipient: Member) -> None:
        """Give it to somebody who accepts."""
        gift = self.people.gift(giver, certificate, recipient.msisdn)
        with self.people.database.begin() as db:
            gifting.accept(db, self.rules, gift_id=gift, recipient=recipient)
        self.forget_texts()

    # Days -------------------------------------------------------------------------------------------------------------
    def at(self, moment: datetime) -> None:
        """The product's clock says this, from now on."""
        self.people.database.clock_offset = f"{(moment - datetime.now(UTC)).total_seconds()} seconds"

    def last_day(self, certificate: int) -> date:
        """The last day a certificate can be spent."""
        day: date = self.people.value("SELECT expires_on FROM certificate WHERE id = :id", id=certificate)
        return day

    def on(self, day: date, hour: int = 10) -> None:
        """It is this day and hour in Nairobi."""
        self.at(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 3))

    def before_end(self, certificate: int, days: int, hour: int = 10) -> None:
        """It is so many days before the certificate's last one (less than none: after it)."""
        self.on(self.last_day(certificate) - timedelta(days=days), hour)

    def past_end(self, certificate: int) -> None:
        """The certificate's time is over, and the chore has been."""
        self.before_end(certificate, -1)
        self.expire()

    def expire(self) -> int:
        """The chore that ends certificates."""
        with self.people.database.begin() as db:
            return expiry.expire(db, self.rules, limit=200)

    def end_limitation(self) -> int:
        """The chore that ends what nobody asked for."""
        with self.people.database.begin() as db:
            return expiry.end_limitation(db, self.rules, limit=200)

    def remind(self) -> int:
        """The chores that tell."""
        with self.people.database.begin() as db:
            return reminders.remind(db, self.rules, limit=200) + reminders.tell_ended(db, self.rules, limit=200)

    # Money back -------------------------------------------------------------------------------------------------------
    def give_back(self, buyer: Member, purchase_id: str, expected: Money, refund_id: str | None = None) -> str:
        """The buyer gives the purchase's untouched sheets back; the refund's id."""
        refund_id = refund_id or str(uuid4())
        with self.people.database.begin() as db:
            refunds.give_back(
                db,
                self.rules,
                refund_id=refund_id,
                buyer=buyer,
                purchase_id=purchase_id,
                expected=expected,
                receipt=True,
            )
        return refund_id

    def returnable(self, buyer: Member) -> list[refunds.Returnable]:
        """What the buyer may give back now."""
        with self.people.database.begin() as db:
            return refunds.returnable(db, self.rules, buyer)

    def ended(self, holder: Member) -> list[expiry.Ended]:
        """What the holder can have of ended certificates."""
        with self.people.database.begin() as db:
            return expiry.ended(db, self.rules, holder)

    def refund(self, holder: Member, certificate: int, share: Money, refund_id: str | None = None) -> str:
        """The holder has the share of an ended certificate back; the refund's id."""
        refund_id = refund_id or str(uuid4())
        with self.people.database.begin() as db:
            asked: dict[str, Any] = {
                "refund_id": refund_id,
                "holder": holder,
                "certificate_id": certificate,
                "expected": share,
                "receipt": True,
            }
            expiry.refund(db, self.rules, **asked)
        return refund_id

    def extendable(self, holder: Member) -> list[expiry.Extendable]:
        """What the holder is offered more time for."""
        with self.people.database.begin() as db:
            return expiry.extendable(db, self.rules, holder)

    def extend(self, holder: Member, certificate: int, op_id: str | None = None) -> date:
        """The holder asks for more time; the new last day."""
        with self.people.database.begin() as db:
            return expiry.extend(db, self.rules, op_id=op_id or str(uuid4()), holder=holder, certificate_id=certificate)

    def rests(self, holder: Member) -> list[cash_out.Rest]:
        """What the holder may have in cash now."""
        with self.people.database.begin() as db:
            return cash_out.rests(db, self.rules, holder)

    def cash_out(self, holder: Member, certificate: int, amount: Money, refund_id: str | None = None) -> str:
        """The holder takes a rest in cash; the refund's id."""
        refund_id = refund_id or str(uuid4())
        with self.people.database.begin() as db:
            asked: dict[str, Any] = {
                "refund_id": refund_id,
                "holder": holder,
                "certificate_id": certificate,
                "expected": amount,
                "receipt": True,
            }
            cash_out.cash_out(db, self.rules, **asked)
        return refund_id

    def claimed(self) -> list[refund_rows.Claimed]:
        """The refunds a worker has to send."""
        with self.people.database.begin() as db:
            return refund_rows.claim(db, batch=100, lease=0)

    def paid(self, refund_id: str) -> None:
        """The rail says that the money went back."""
        with self.people.database.begin() as db:
            refunds.paid(db, self.rules, refund_id=refund_id, receipt=f"back {refund_id}")

    def failed(self, refund_id: str) -> None:
        """The rail says that it cannot give the money back."""
        with self.people.database.begin() as db:
            refunds.failed(db, self.rules, refund_id=refund_id, reason="other")

    # Chargebacks ------------------------------------------------------------------------------------------------------
    def dispute(self, charge_id: str, dispute: Dispute) -> None:
        """The provider says this of a charge."""
        with self.people.database.begin() as db:
            disputes.seen(db, self.rules, charge_id=charge_id, dispute=dispute)

    def hold_again(self) -> int:
        """The chore that holds what came back."""
        with self.people.database.begin() as db:
            due = disputes.came_back(db, limit=100)
            for dispute in due:
                disputes.hold_again(db, self.rules, dispute)
        return len(due)

    # Reading ----------------------------------------------------------------------------------------------------------
    def state(self, table: str, id_: int | str) -> str:
        """The state of a row."""
        return str(self.people.value(f"SELECT state FROM {table} WHERE id = :id", id=id_))

    def left(self, certificate: int) -> tuple[int, int]:
        """What can be spent on a certificate, and what rests after its end."""
        return self.people.owed("2100", certificate), self.people.owed("2130", certificate)

    def posted(self, kind: str) -> list[tuple[str, str, int]]:
        """The postings of every entry of a kind, oldest first."""
        query = """
            SELECT a.code, a.owner, p.amount_minor FROM journal_entry e JOIN posting p ON p.entry_id = e.id
            JOIN account a ON a.id = p.account_id WHERE e.kind = :kind ORDER BY p.id"""
        return [(row.code, row.owner, row.amount_minor) for row in self.people.rows(query, kind=kind)]

    def told(self, member: Member) -> list[Text]:
        """The texts somebody has had since the last purchase, gift or use."""
        return self.people.texts(member.msisdn)

    def forget_texts(self) -> None:
        """What was told until now is not looked at."""
        self.people.run("DELETE FROM outbox")


def terms(rules: Rules, **changed: Any) -> Rules:
    """The rules, with a law of their own that differs from the house's in these rules."""
    house = rules.laws.packs["house"][0]
    own = replace(house, id="own-2010-01-01", pack="own", **changed)
    return replace(rules, laws=law.Laws({**rules.laws.packs, "own": (own,)}), law_pack="own")
