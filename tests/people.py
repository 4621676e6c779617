"""People, certificates, gifts, codes and tills for tests: all of them made by the product's own verbs, and read back."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, text

from bot.services import Services
from circulation import books, catalogue, gifting, members, one_time_codes, sales
from circulation.catalogue import Clerk
from circulation.codes import damm
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.rules import Rules
from payments.carrier_bill import CarrierBill
from storage.database import Database
from storage.roles import Role

BUSINESS = "tests_business"
"""The tests' own role: what web, worker and console may together."""
EVERYTHING = f"""
    DO $$ BEGIN CREATE ROLE {BUSINESS} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    GRANT giftline_web, giftline_worker, giftline_console TO {BUSINESS};
    GRANT ALL ON ALL TABLES IN SCHEMA public TO {BUSINESS};
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON account, journal_entry, posting, balance FROM {BUSINESS};
    GRANT {BUSINESS} TO CURRENT_USER"""
"""Makes that role, for what a test does itself: any verb, and any row but the ledger's."""
_NUMBERS = count(1)


@contextmanager
def past_every_right(database: Database) -> Iterator[Connection]:
    """A transaction of the database's owner, for what a test looks at or brings about behind the product's back."""
    with database.begin() as db:
        db.execute(text("SET LOCAL ROLE NONE"))
        yield db


def any_code() -> str:
    """Twelve digits that might be a code, and were never issued."""
    digits = f"{secrets.randbelow(10**11):011d}"
    return f"{digits}{damm(digits)}"


@dataclass(frozen=True)
class Text:
    """One row of the outbox: the English sentence, what fills it, and who carries it."""

    sentence: str
    holes: dict[str, Any]
    provider: str
    language: str
    secret: bool


class People:
    """A small world around one database. Every person, store and phone number it makes is new."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.database: Database = services.database.as_role(BUSINESS, connections=10)
        self.rules: Rules = services.talk.rules

    @property
    def generous(self) -> Rules:
        """The rules, with a phone bill that takes anything."""
        return replace(self.rules, phone_bill=CarrierBill(10**15))

    def number(self) -> Msisdn:
        """A phone that was never met."""
        return Msisdn(f"+25479{next(_NUMBERS):07}")

    def member(self, name: str = "Amina", *, language: str = "en", pin_hash: str | None = None) -> Member:
        """Somebody who has joined."""
        with self.database.begin() as db:
            return members.join(db, self.number(), name=name, language=language, pin_hash=pin_hash)

    def met(self, msisdn: Msisdn) -> Member:
        """The member with this number, as they are now."""
        with self.database.begin() as db:
            found = members.find(db, msisdn)
        assert found is not None
        return found

    def clerk(self, *accepts: str, commission_bps: int = 300, store_id: int | None = None) -> Clerk:
        """A clerk with a phone of their own, at a new store that takes these issuers (prefixes; GL when none is named)."""
        msisdn, name = self.number(), f"Store {uuid4().hex[:12]}"
        with self.database.begin() as db:
            if store_id is None:
                store_id = self._store(db, name, commission_bps, accepts or ("GL",))
            hired = "INSERT INTO clerk (store_id, msisdn, name) VALUES (:store, :msisdn, 'Otieno')"
            db.execute(text(hired), {"store": store_id, "msisdn": msisdn.e164})
            clerk = catalogue.clerk(db, msisdn)
        assert clerk is not None
        return clerk

    def _store(self, db: Connection, name: str, commission_bps: int, accepts: tuple[str, ...]) -> int:
        opened = "INSERT INTO store (name, commission_bps) VALUES (:name, :bps) RETURNING id"
        store_id = int(db.execute(text(opened), {"name": name, "bps": commission_bps}).scalar_one())
        taken = "INSERT INTO acceptance SELECT :store, id FROM issuer WHERE prefix = ANY(:prefixes)"
        db.execute(text(taken), {"store": store_id, "prefixes": list(accepts)})
        return store_id

    def denomination(self, prefix: str = "GL", amount_minor: int = 50_000) -> catalogue.Denomination:
        """A price of the demo data: an issuer's certificate worth so many minor units."""
        query = """
            SELECT d.id FROM denomination d JOIN issuer i ON i.id = d.issuer_id
            WHERE i.prefix = :prefix AND d.amount_minor = :amount_minor"""
        with self.database.begin() as db:
            id_ = db.execute(text(query), {"prefix": prefix, "amount_minor": amount_minor}).scalar_one()
            found = catalogue.denomination(db, int(id_))
        assert found is not None
        return found

    def certificates(
        self, holder: Member, sheets: int = 1, prefix: str = "GL", amount_minor: int = 50_000
    ) -> list[int]:
        """Certificates bought by their holder; their ids, oldest first."""
        price, purchase_id = self.denomination(prefix, amount_minor), str(uuid4())
        with self.database.begin() as db:
            sales.buy(
                db,
                self.generous,
                purchase_id=purchase_id,
                buyer=holder,
                denomination_id=price.id,
                sheets=sheets,
                expected=sales.cost(price, sheets),
                receipt=False,
            )
            bought = db.execute(
                text("SELECT id FROM certificate WHERE purchase_id = :id ORDER BY id"), {"id": purchase_id}
            )
            return [int(id_) for id_ in bought.scalars()]

    def certificate(self, holder: Member, prefix: str = "GL", amount_minor: int = 50_000) -> int:
        """One certificate bought by its holder; its id."""
        return self.certificates(holder, 1, prefix, amount_minor)[0]

    def gift(self, giver: Member, certificate: int, recipient: Msisdn | Email, note: str = "") -> str:
        """A gift that waits for its answer; its id."""
        gift_id = str(uuid4())
        with self.database.begin() as db:
            gifting.give(
                db,
                self.rules,
                gift_id=gift_id,
                giver=giver,
                certificates=[certificate],
                recipient=recipient,
                note=note,
                receipt=False,
            )
        return gift_id

    def planned_gift(
        self,
        giver: Member,
        certificates: list[int],
        recipient: Msisdn | Email,
        ahead: str = "3 days",
        *,
        receipt: bool = False,
    ) -> str:
        """A gift of these sheets that is to be sent so long from now ("3 days"), with the message "For school"; its id."""
        gift_id, sends_at = str(uuid4()), self.value("SELECT clock() + CAST(:ahead AS interval)", ahead=ahead)
        with self.database.begin() as db:
            gifting.give(
                db,
                self.rules,
                gift_id=gift_id,
                giver=giver,
                certificates=certificates,
                recipient=recipient,
                note="For school",
                receipt=receipt,
                sends_at=sends_at,
            )
        return gift_id

    def accept(self, gift: str, recipient: Member) -> None:
        """The recipient takes a gift."""
        with self.database.begin() as db:
            gifting.accept(db, self.rules, gift_id=gift, recipient=recipient)

    def code(self, holder: Member, *certificates: int, limit: Money | None = None) -> str:
        """A live code as the clerk types it: twelve digits."""
        with self.database.begin() as db:
            code = one_time_codes.ask_code(
                db,
                self.rules,
                code_id=str(uuid4()),
                holder=holder,
                certificates=certificates,
                limit=limit,
                receipt=True,
            )
        return code.code.replace(" ", "")

    # Reading back -----------------------------------------------------------------------------------------------------
    def owed(self, code: str, owner: object) -> int:
        """What the postings of one account come to, as a debt of ours, in minor units."""
        return -int(self.value(_OWED, code=code, owner=str(owner)))

    def postings(self, operation: str) -> list[tuple[str, str, int]]:
        """(account, owner, minor units) of one operation, in the order they were posted."""
        return [(row.code, row.owner, row.amount_minor) for row in self.rows(_POSTINGS, operation=operation)]

    def texts(self, msisdn: Msisdn) -> list[Text]:
        """What was filed to be sent to a phone, oldest first."""
        return [Text(*row) for row in self.rows(_TEXTS, msisdn=msisdn.e164)]

    def rows(self, query: str, **values: object) -> list[Any]:
        """The rows of a query, read past every right."""
        with past_every_right(self.database) as db:
            return list(db.execute(text(query), values))

    def run(self, statement: str, **values: object) -> None:
        """Do what no verb does: what time, a provider or an operator would have done."""
        with past_every_right(self.database) as db:
            db.execute(text(statement), values)

    def value(self, query: str, **values: object) -> Any:
        """The single value of a query, read past every right."""
        with past_every_right(self.database) as db:
            return db.execute(text(query), values).scalar_one()

    def books_in_order(self) -> bool:
        """Whether every proof of the books holds; what does not is printed."""
        auditor = self.database.as_role(Role.AUDITOR)
        with auditor.begin() as db:
            read = books.read(db)
        auditor.close()
        for proof in read.proofs:
            if proof.figure:
                print(f"{proof.name}: {proof.figure}")  # noqa: T201 - pytest shows it beside the failure
        return read.in_order


_OWED = """
    SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
    WHERE a.code = :code AND a.owner = :owner"""
_POSTINGS = """
    SELECT a.code, a.owner, p.amount_minor
    FROM journal_entry e JOIN posting p ON p.entry_id = e.id JOIN account a ON a.id = p.account_id
    WHERE e.operation_id = :operation ORDER BY p.id"""
_TEXTS = "SELECT sentence, holes, provider, language, secret FROM outbox WHERE address = :msisdn ORDER BY id"
