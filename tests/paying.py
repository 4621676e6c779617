"""Buyers who pay over the fake rails: orders, the worker's rounds, and what came of them."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from werkzeug.serving import make_server

from bot.app import build_services, create_app
from bot.charging import Charging
from bot.config import Settings
from bot.services import Services
from circulation import charging, sales
from circulation.members import Member
from payments.fakes.server import FakeRails
from storage.roles import Role
from tests.people import People, Text

EVERY_RAIL = "phone_bill,mpesa,momo,card,bank,carrier_billing"
IMPATIENT = 0.5
"""Seconds the gateways of tests wait for an answer: less than a slow fake takes."""


def settings_for(settings: Settings, rails: FakeRails) -> Settings:
    """Settings by which every way to pay is on offer, at the fakes; the card's fake is told where to call."""
    rails.card.webhook_url = f"{settings.public_base_url}/webhooks/payments/card"
    return settings.model_copy(
        update={
            "payment_rails": EVERY_RAIL,
            "mpesa_api_base": f"{rails.url}/mpesa",
            "momo_api_base": f"{rails.url}/momo",
            "stripe_api_base": f"{rails.url}/card",
            "carrier_api_base": f"{rails.url}/carrier",
        }
    )


@dataclass
class Paying:
    """One product with every rail, the fakes behind it, and a worker whose rounds are made when a test says so."""

    services: Services
    rails: FakeRails
    people: People
    charging: Charging

    def __post_init__(self) -> None:
        self.rules = self.services.talk.rules
        self.database = self.people.database

    def order(
        self, buyer: Member, rail: str, *, sheets: int = 1, amount_minor: int = 50_000, prefix: str = "GL"
    ) -> str:
        """An order to be paid over `rail`; its id, which is its charge's too."""
        price, purchase_id = self.people.denomination(prefix, amount_minor), str(uuid4())
        with self.database.begin() as db:
            sales.order(
                db,
                self.rules,
                purchase_id=purchase_id,
                buyer=buyer,
                denomination_id=price.id,
                sheets=sheets,
                expected=sales.cost(price, sheets),
                rail=rail,
            )
        return purchase_id

    def asked_for_a_code(self, asked: bool = True) -> Member:
        """A member whose network sends a code before it bills, or one whose does not: at the fake, odd and even numbers."""
        return next(member for member in iter(self.people.member, None) if int(member.msisdn.e164[-1]) % 2 == asked)

    def type_code(self, payer: Member, charge_id: str, text: str) -> None:
        """The payer types the code out of their network's text."""
        code = re.search(r"[0-9]{4,8}", text)
        assert code is not None, "the network's text has a code"
        with self.database.begin() as db:
            charging.code_typed(db, charge_id, payer, self.rules.seal.seal(code[0].encode()))

    def rounds(self, count: int = 1) -> None:
        """The worker looks at everything that is open, as if its time had come."""
        for _ in range(count):
            self.due()
            while self.charging():
                pass

    def due(self) -> None:
        """Every open charge and refund is due now."""
        for table in ("charge", "refund"):
            with self.database.begin() as db:
                db.exec_driver_sql(f"UPDATE {table} SET due_at = clock() WHERE due_at IS NOT NULL")

    def after(self, interval: str) -> None:
        """Time passes for the product, and the worker makes a round."""
        self.database.clock_offset = interval
        self.rounds()

    def state(self, charge_id: str) -> str:
        """The state of a charge."""
        return str(self.people.value("SELECT state FROM charge WHERE id = :id", id=charge_id))

    def reference(self, charge_id: str) -> str:
        """What people read of a charge."""
        return str(self.people.value("SELECT reference FROM charge WHERE id = :id", id=charge_id))

    def handle(self, charge_id: str) -> str:
        """The provider's name of a charge."""
        return str(self.people.value("SELECT handle FROM charge WHERE id = :id", id=charge_id))

    def sheets(self, charge_id: str) -> int:
        """How many certificates were issued for an order."""
        return int(self.people.value("SELECT count(*) FROM certificate WHERE purchase_id = :id", id=charge_id))

    def told(self, member: Member) -> list[Text]:
        """The texts filed for somebody."""
        return self.people.texts(member.msisdn)

    def sentences(self, member: Member) -> list[str]:
        """The sentences of the texts filed for somebody, oldest first."""
        return [text.sentence for text in self.told(member)]


@contextmanager
def paying(settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    """The product joined on these fakes."""
    services = build_services(settings)
    people, worker = People(services), services.database.as_role(Role.WORKER, connections=4)
    try:
        yield Paying(services, rails, people, Charging(worker, services.talk.rules))
    finally:
        for database in (services.database, people.database, worker):
            database.close()
        services.redis.close()


@contextmanager
def answering(settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    """The product joined on these fakes, answering real HTTP at the address it gives to providers."""
    settings = settings_for(settings, rails)
    with paying(settings, rails) as till:
        server = make_server("127.0.0.1", settings.port, create_app(settings, till.services), threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        yield till
        server.shutdown()
        thread.join()
