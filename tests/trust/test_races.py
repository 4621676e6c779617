"""Races: two or three at the same instant, hundreds of times over; each time one wins and value is in one place.

Each racer has a connection of its own, opened before the start, and all are let go together. The last test shows that
the track is fast enough to matter: code that looks first and writes afterwards double-spends on it.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from bot.messages import Inbound
from bot.services import Services
from bot.turn import take_turn
from circulation import gifting, one_time_codes, recalling, redemption, sales, scheduled
from circulation.catalogue import Clerk
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People

ROUNDS = 1_000
CENT = Money(100, "KES")
Racer = Callable[[Connection], object]


class Track:
    """Runs racers at the same instant; what each came to: its result, or the code of its refusal."""

    def __init__(self, database: Database, lanes: int = 3) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(lanes)

    def race(self, *racers: Racer) -> list[object]:
        gate = threading.Barrier(len(racers))
        return list(self._pool.map(lambda racer: self._run(gate, self._database, racer), racers))

    def race_apart(self, *racers: tuple[Database, Racer]) -> list[object]:
        """The same, each with a database (that is: a clock) of its own."""
        gate = threading.Barrier(len(racers))
        return list(self._pool.map(lambda pair: self._run(gate, *pair), racers))

    def close(self) -> None:
        self._pool.shutdown()

    @staticmethod
    def _run(gate: threading.Barrier, database: Database, racer: Racer) -> object:
        try:
            with database.begin() as db:
                db.execute(text("SELECT 1"))
                gate.wait(timeout=30)
                return racer(db)
        except Refusal as refusal:
            return refusal.code


@pytest.fixture
def track(people: People) -> Iterator[Track]:
    track = Track(people.database)
    yield track
    track.close()


def paying(people: People, clerk: Clerk, code: str, amount: Money = CENT) -> Racer:
    return lambda db: redemption.use(db, people.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=amount)


def forget_failures(people: People) -> None:
    """Who lost a race is counted as having guessed; here that would lock the tills after five rounds."""
    with people.database.begin() as db:
        db.execute(text("DELETE FROM attempt_counter"))


def test_of_two_stores_with_one_code_one_is_paid_a_thousand_times(people: People, track: Track) -> None:
    holder = people.member()
    certificate = people.certificate(holder, amount_minor=200_000)
    one, other = people.clerk(), people.clerk()
    for _ in range(ROUNDS):
        code = people.code(holder, certificate)
        results = track.race(paying(people, one, code), paying(people, other, code))
        assert "code_refused" in results
        assert sum(isinstance(result, redemption.Use) for result in results) == 1
        forget_failures(people)
    assert people.value("SELECT count(*) FROM redemption") == ROUNDS
    assert people.owed("2100", certificate) == 200_000 - ROUNDS * CENT.amount_minor
    earned = people.owed("2200", one.store_id) + people.owed("2200", other.store_id)
    assert earned == ROUNDS * (CENT.amount_minor - 3)
    assert people.books_in_order()


def test_a_clerk_who_asks_twice_at_once_is_paid_once(people: People, track: Track) -> None:
    holder, clerk = people.member(), people.clerk()
    certificate = people.certificate(holder, amount_minor=200_000)
    for _ in range(200):
        code = people.code(holder, certificate)
        first, second = track.race(paying(people, clerk, code), paying(people, clerk, code))
        assert isinstance(first, redemption.Use)
        assert isinstance(second, redemption.Use)
        assert first.reference == second.reference
        assert {first.again, second.again} == {False, True}
    assert people.value("SELECT count(*) FROM redemption") == 200
    assert people.books_in_order()


def test_accepted_declined_or_lapsed_at_once_a_gift_ends_in_one_way(people: People, track: Track) -> None:
    late = Database(people.database.url, role=BUSINESS, connections=2)
    late.clock_offset = "8 days"
    holder, other = people.member("Amina"), people.member("Baraka")
    certificate = people.certificate(holder)
    seen = set()
    for _ in range(300):
        gift = people.gift(holder, certificate, other.msisdn)
        answers: dict[str, Any] = {"rules": people.rules, "gift_id": gift}
        track.race_apart(
            (people.database, lambda db: gifting.accept(db, **answers, recipient=other)),  # noqa: B023
            (people.database, lambda db: gifting.decline(db, **answers, recipient=other)),  # noqa: B023
            (late, lambda db: gifting.lapse(db, **answers)),  # noqa: B023
        )
        state = people.value("SELECT state FROM gift WHERE id = :id", id=gift)
        owner = people.value("SELECT holder_id FROM certificate WHERE id = :id", id=certificate)
        assert state in ("accepted", "declined", "lapsed")
        assert owner == (other.id if state == "accepted" else holder.id)
        assert (people.owed("2100", certificate), people.owed("2110", gift)) == (50_000, 0)
        if state == "accepted":
            holder, other = other, holder
        seen.add(state)
    late.close()
    assert len(seen) > 1, "nobody raced"
    told = "SELECT count(*) FROM outbox WHERE sentence LIKE '%accepted your gift%' OR sentence LIKE '%It is back%'"
    assert people.value(told) == 300
    assert people.books_in_order()


def recalling_it(people: People, gift: str, giver: Member) -> Racer:
    return lambda db: recalling.recall(db, people.rules, gift_id=gift, giver=giver, receipt=True)


def test_taken_back_and_accepted_at_once_a_gift_goes_one_way(people: People, track: Track) -> None:
    holder, other = people.member("Amina"), people.member("Baraka")
    bought = people.certificates(holder, 2)
    seen = set()
    for _ in range(200):
        gift = str(uuid4())
        with people.database.begin() as db:
            giving(people, gift, holder, bought, other)(db)

        def accepting(db: Connection, gift: str = gift, recipient: Member = other) -> None:
            gifting.accept(db, people.rules, gift_id=gift, recipient=recipient)

        recalled, accepted = track.race(recalling_it(people, gift, holder), accepting)
        owners = people.rows("SELECT DISTINCT holder_id FROM certificate WHERE id = ANY(:ids)", ids=bought)
        if accepted is None:
            assert recalled == "gift_answered"
            assert [row.holder_id for row in owners] == [other.id]
            holder, other = other, holder
        else:
            assert isinstance(recalled, recalling.Recalled)
            assert accepted == "gift_recalled"
            assert [row.holder_id for row in owners] == [holder.id]
        assert people.owed("2110", gift) == 0
        assert [people.owed("2100", certificate) for certificate in bought] == [50_000, 50_000]
        seen.add(accepted)
    assert len(seen) == 2, "nobody raced"
    told = (
        "SELECT count(*) FROM outbox WHERE sentence LIKE '%accepted your gift%' OR sentence LIKE '%took back the gift%'"
    )
    assert people.value(told) == 200
    assert people.books_in_order()


def test_a_gift_taken_back_while_its_day_comes_is_told_to_the_recipient_twice_or_never(
    people: People, track: Track
) -> None:
    giver = people.member("Amina")
    certificate = people.certificate(giver)
    seen = set()
    ten = "SELECT ((now() AT TIME ZONE :zone)::date + time '10:00') AT TIME ZONE :zone - now()"
    people.database.clock_offset = f"{people.value(ten, zone=people.rules.zone).total_seconds()} seconds"
    for _ in range(200):
        recipient = people.number()
        gift = people.planned_gift(giver, [certificate], recipient, "-1 second")

        def sending(db: Connection, gift: str = gift) -> bool:
            return scheduled.send(db, people.rules, gift_id=gift)

        sent, recalled = track.race(sending, recalling_it(people, gift, giver))
        assert isinstance(recalled, recalling.Recalled)
        assert len(people.texts(recipient)) == (2 if sent else 0)
        assert (people.owed("2100", certificate), people.owed("2110", gift)) == (50_000, 0)
        seen.add(sent)
    assert len(seen) == 2, "nobody raced"
    assert people.books_in_order()


def test_two_gifts_that_share_a_sheet_go_one_way_in_whatever_order_they_name_it(people: People, track: Track) -> None:
    giver, recipient = people.member(), people.number()
    for _ in range(60):
        one, two = people.certificates(giver, 2)
        results = track.race(
            giving(people, str(uuid4()), giver, [one, two], recipient),
            giving(people, str(uuid4()), giver, [two, one], recipient),
        )
        assert results.count("nothing_left") == 1
    assert people.value("SELECT count(*) FROM gift") == 60
    assert people.books_in_order()


def test_what_is_given_away_and_spent_at_once_goes_one_way(people: People, track: Track) -> None:
    holder, recipient, clerk = people.member(), people.number(), people.clerk()
    for certificate in [c for _ in range(12) for c in people.certificates(holder, 9)]:
        code, gift = people.code(holder, certificate), str(uuid4())
        given = giving(people, gift, holder, certificate, recipient)
        _, used = track.race(given, paying(people, clerk, code, Money(50_000, "KES")))
        spent = isinstance(used, redemption.Use)
        assert people.owed("2100", certificate) == 0
        assert people.owed("2110", gift) == (0 if spent else 50_000)
        forget_failures(people)
    assert people.books_in_order()


def test_a_code_asked_for_by_the_giver_never_spends_what_the_recipient_holds(people: People, track: Track) -> None:
    giver, recipient, clerk = people.member("Amina"), people.member("Baraka"), people.clerk()
    for certificate in [c for _ in range(12) for c in people.certificates(giver, 9)]:
        code = people.code(giver, certificate)
        gift = people.gift(giver, certificate, recipient.msisdn)

        def accepting(db: Connection, gift: str = gift) -> None:
            gifting.accept(db, people.rules, gift_id=gift, recipient=recipient)

        _, used = track.race(accepting, paying(people, clerk, code))
        assert used in ("code_refused", "over_code")
        assert people.owed("2100", certificate) == 50_000
        forget_failures(people)
    assert people.books_in_order()


def test_a_new_code_asked_for_while_the_old_one_is_used_pays_only_what_is_left(people: People, track: Track) -> None:
    holder, clerk = people.member(), people.clerk()
    for certificate in [c for _ in range(12) for c in people.certificates(holder, 9)]:
        old = people.code(holder, certificate)
        new: list[one_time_codes.Code] = []

        def asking(db: Connection, certificate: int = certificate, new: list[one_time_codes.Code] = new) -> None:
            asked: dict[str, Any] = {"holder": holder, "certificates": [certificate], "limit": None, "receipt": False}
            new.append(one_time_codes.ask_code(db, people.rules, code_id=str(uuid4()), **asked))

        _, used = track.race(asking, paying(people, clerk, old, Money(30_000, "KES")))
        left = 20_000 if isinstance(used, redemption.Use) else 50_000
        assert new[0].limit == Money(left, "KES")
        (paid,) = track.race(paying(people, clerk, new[0].code.replace(" ", ""), new[0].limit))
        assert isinstance(paid, redemption.Use)
        assert people.owed("2100", certificate) == 0
        forget_failures(people)
    assert people.books_in_order()


def test_one_purchase_asked_for_twice_at_once_is_charged_once(people: People, track: Track) -> None:
    buyer, price = people.member(), people.denomination()
    for _ in range(200):
        purchase_id = str(uuid4())

        def buying(db: Connection, purchase_id: str = purchase_id) -> sales.Purchase:
            return sales.buy(
                db,
                people.generous,
                purchase_id=purchase_id,
                buyer=buyer,
                denomination_id=price.id,
                sheets=1,
                expected=sales.cost(price, 1),
                receipt=True,
            )

        first, second = track.race(buying, buying)
        assert first == second
    assert people.value("SELECT count(*) FROM charge") == 200
    assert people.value("SELECT count(*) FROM certificate") == 200
    assert len(people.texts(buyer.msisdn)) == 200
    assert people.books_in_order()


def test_two_purchases_at_once_do_not_pass_the_bills_limit_together(people: People, track: Track) -> None:
    price = people.denomination(amount_minor=200_000)
    cost = sales.cost(price, 5)
    assert cost.amount_minor <= people.services.settings.phone_bill_limit_minor < 2 * cost.amount_minor
    for _ in range(50):
        buyer = people.member()

        def buying(db: Connection, buyer: Member = buyer) -> sales.Purchase:
            order: dict[str, Any] = {"denomination_id": price.id, "sheets": 5, "expected": cost, "receipt": False}
            return sales.buy(db, people.rules, purchase_id=str(uuid4()), buyer=buyer, **order)

        results = track.race(buying, buying)
        assert results.count("bill_limit") == 1
    assert people.value("SELECT count(*) FROM purchase") == 50
    assert people.books_in_order()


def giving(people: People, gift: str, giver: Member, certificate: int | list[int], recipient: Member | Msisdn) -> Racer:
    msisdn = recipient.msisdn if isinstance(recipient, Member) else recipient
    told: dict[str, Any] = {"recipient": msisdn, "note": "", "receipt": True}
    return lambda db: gifting.give(
        db,
        people.rules,
        gift_id=gift,
        giver=giver,
        certificates=certificate if isinstance(certificate, list) else [certificate],
        **told,
    )


def test_two_who_give_to_each_other_at_once_both_succeed(people: People, track: Track) -> None:
    amina, baraka = people.member("Amina"), people.member("Baraka")
    hers, his = people.certificate(amina), people.certificate(baraka)
    for _ in range(200):
        there, back = str(uuid4()), str(uuid4())
        results = track.race(giving(people, there, amina, hers, baraka), giving(people, back, baraka, his, amina))
        assert all(isinstance(result, str) and len(result) == 8 for result in results), results
        track.race(
            lambda db: gifting.accept(db, people.rules, gift_id=there, recipient=baraka),  # noqa: B023
            lambda db: gifting.accept(db, people.rules, gift_id=back, recipient=amina),  # noqa: B023
        )
        hers, his = his, hers
    assert people.value("SELECT count(*) FROM gift WHERE state = 'accepted'") == 400
    assert people.books_in_order()


def test_one_certificate_given_to_two_at_once_goes_to_one(people: People, track: Track) -> None:
    giver, one, other = people.member(), people.member(), people.member()
    for certificate in [c for _ in range(12) for c in people.certificates(giver, 9)]:
        results = track.race(*(giving(people, str(uuid4()), giver, certificate, to) for to in (one, other)))
        assert results.count("nothing_left") == 1
    assert people.value("SELECT count(*) FROM gift") == 108
    assert people.books_in_order()


def test_one_text_delivered_twice_at_once_is_answered_once(people: People, services: Services, track: Track) -> None:
    holder, clerk = people.member(), people.clerk()
    certificate = people.certificate(holder, amount_minor=200_000)
    till = Msisdn(people.value("SELECT msisdn FROM clerk WHERE id = :id", id=clerk.id))
    for number in range(100):
        code = people.code(holder, certificate)
        message = Inbound("twilio", "sms", f"SM{number}", till, f"USE {code} 1")
        first, second = track.race(*[lambda db: take_turn(services, message)] * 2)  # noqa: B023
        assert first == second
        assert "APPROVED" in str(first)
    assert people.value("SELECT count(*) FROM redemption") == 100
    assert len(people.texts(till)) == 100
    assert people.books_in_order()


def test_looking_first_and_writing_afterwards_would_pay_twice_on_this_very_track(people: People, track: Track) -> None:
    """The harness has teeth: the same race against the code one would naively write."""

    def naive(code: int) -> Racer:
        def use(db: Connection) -> bool:
            if db.execute(text("SELECT state FROM naive WHERE code = :code"), {"code": code}).scalar_one() != "live":
                return False
            db.execute(text("UPDATE naive SET state = 'used', paid = paid + 1 WHERE code = :code"), {"code": code})
            return True

        return use

    with people.database.begin() as db:
        db.execute(text("SET LOCAL ROLE NONE"))  # the product's own role may make no tables
        db.execute(text("CREATE TABLE naive (code int PRIMARY KEY, state text DEFAULT 'live', paid int DEFAULT 0)"))
        db.execute(text("GRANT ALL ON naive TO giftline_web"))
        db.execute(text("INSERT INTO naive (code) SELECT generate_series(1, 200)"))
    for code in range(1, 201):
        track.race(naive(code), naive(code))
    assert people.value("SELECT count(*) FROM naive WHERE paid > 1") > 20
