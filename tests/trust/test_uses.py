"""Uses under pressure: tills that race for one code, one hold or one refund; and any order of everything a till can ask.

Value is counted per person: what they bought and were given is on their certificates, held for a store, offered, or spent.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from circulation import gifting, redemption, store_returns
from circulation.members import Member
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People
from tests.tills import Till, kes
from tests.trust.test_races import Track, forget_failures

ROUNDS = 40
STEPS = 60
FIRST_WON, SECOND_WON = "first", "second"


@pytest.fixture
def track(people: People) -> Iterator[Track]:
    track = Track(people.database)
    yield track
    track.close()


@pytest.fixture
def later(people: People) -> Iterator[Database]:
    """The same database after the time of every hold."""
    later = Database(people.database.url, role=BUSINESS, connections=4)
    later.clock_offset = f"{redemption.HOLD_SECONDS} seconds"
    yield later
    later.close()


def using(people: People, till: Till, code: str, minor: int, use_id: str) -> Callable[[Connection], object]:
    asked = {"use_id": use_id, "code": code}
    return lambda db: redemption.use(db, people.rules, clerk=till.clerk, amount=kes(minor), **asked)


def refunding(people: People, till: Till, reference: str, minor: int, refund_id: str) -> Callable[[Connection], object]:
    asked = {"refund_id": refund_id, "reference": reference}
    return lambda db: store_returns.refund(db, people.rules, clerk=till.clerk, amount=kes(minor), **asked)


def reversing(people: People, till: Till, use_id: str, *, after: int = 0) -> Callable[[Connection], object]:
    """A reversal; `after` looks at the database it sets out, for one that would always be first."""

    def reverse(db: Connection) -> store_returns.Reversal:
        for _ in range(after):
            db.execute(text("SELECT 1"))
        return store_returns.reverse(db, people.rules, use_id=use_id, clerk=till.clerk)

    return reverse


# Races ----------------------------------------------------------------------------------------------------------------
def test_of_two_tills_with_one_code_for_several_one_is_paid(people: People, track: Track) -> None:
    holder, one, other = people.member(), Till.at(people), Till.at(people)
    several = people.certificates(holder, 3)
    for round_ in range(1, ROUNDS + 1):
        code = people.code(holder, *several)
        results = track.race(*(using(people, till, code, 3_000, str(uuid4())) for till in (one, other)))
        assert "code_refused" in results
        assert sum(isinstance(result, redemption.Use) for result in results) == 1
        assert sum(people.owed("2100", certificate) for certificate in several) == 150_000 - round_ * 3_000
        forget_failures(people)
    assert people.books_in_order()


def test_a_hold_that_is_captured_voided_and_timed_out_at_once_ends_in_one_way(
    people: People, track: Track, later: Database
) -> None:
    holder, till = people.member(), Till.at(people)
    several = people.certificates(holder, 2)
    seen, spent = set(), 0
    for _ in range(ROUNDS):
        use_id = str(uuid4())
        till.authorise(people.code(holder, *several), 1_500, use_id)
        asked: dict[str, Any] = {"rules": people.rules, "use_id": use_id}
        track.race_apart(
            (people.database, lambda db: redemption.capture(db, clerk=till.clerk, amount=kes(1_000), **asked)),  # noqa: B023
            (people.database, lambda db: redemption.void(db, clerk=till.clerk, **asked)),  # noqa: B023
            (later, lambda db: redemption.time_out(db, **asked)),  # noqa: B023
        )
        state = people.value("SELECT state FROM redemption WHERE id = :id", id=use_id)
        assert state in ("captured", "voided", "timed out")
        spent += 1_000 if state == "captured" else 0
        assert people.owed("2120", use_id) == 0
        assert sum(people.owed("2100", certificate) for certificate in several) == 100_000 - spent
        seen.add(state)
    assert len(seen) > 1, "nobody raced"
    assert people.books_in_order()


def test_one_refund_asked_for_twice_at_once_is_given_once(people: People, track: Track) -> None:
    holder, till = people.member(), Till.at(people)
    (certificate,) = people.certificates(holder, 1)
    for _ in range(ROUNDS):
        reference = till.use(people.code(holder, certificate), 1_000).reference
        refund_id = str(uuid4())
        results = track.race(*(refunding(people, till, reference, 1_000, refund_id) for _ in range(2)))
        assert [getattr(result, "again", None) for result in results] in ([True, False], [False, True])
        assert people.owed("2100", certificate) == 50_000
    assert people.owed("2200", till.clerk.store_id) == people.owed("4020", "") == 0
    assert people.books_in_order()


def test_two_refunds_at_once_give_back_no_more_than_was_captured(people: People, track: Track) -> None:
    holder, till = people.member(), Till.at(people)
    certificate, spent = people.certificate(holder), 0
    for _ in range(ROUNDS):
        reference = till.use(people.code(holder, certificate), 1_000).reference
        results = track.race(*(refunding(people, till, reference, 700, str(uuid4())) for _ in range(2)))
        assert results.count("over_captured") == 1
        spent += 300
        assert people.owed("2100", certificate) == 50_000 - spent
    assert people.books_in_order()


def test_a_refund_and_a_reversal_at_once_give_back_once(people: People, track: Track) -> None:
    holder, till = people.member(), Till.at(people)
    certificate, spent, seen = people.certificate(holder), 0, set()
    for _ in range(ROUNDS):
        use_id = str(uuid4())
        reference = till.use(people.code(holder, certificate), 1_000, use_id).reference
        refunded, reversed_ = track.race(
            refunding(people, till, reference, 400, str(uuid4())), reversing(people, till, use_id)
        )
        won = SECOND_WON if refunded == "nothing_to_return" else FIRST_WON
        assert (reversed_ == "partly_returned") == (won == FIRST_WON)
        spent += 600 if won == FIRST_WON else 0
        assert people.owed("2100", certificate) == 50_000 - spent
        seen.add(won)
    assert len(seen) == 2, "nobody raced"
    assert people.books_in_order()


def test_a_use_and_its_reversal_at_once_leave_nothing_paid(people: People, track: Track) -> None:
    holder, till = people.member(), Till.at(people)
    certificate, seen = people.certificate(holder), set()
    for round_ in range(ROUNDS):
        use_id, code = str(uuid4()), people.code(holder, certificate)
        undoing = reversing(people, till, use_id, after=4 * round_)
        used, undone = track.race(using(people, till, code, 1_000, use_id), undoing)
        assert isinstance(undone, store_returns.Reversal)
        assert (used == "use_undone") == (undone.amount is None)
        assert people.owed("2100", certificate) == 50_000
        seen.add(used == "use_undone")
        forget_failures(people)
    assert len(seen) == 2, "nobody raced"
    assert people.books_in_order()


def test_value_that_comes_back_while_the_rest_is_given_away_stays_its_users(people: People, track: Track) -> None:
    holder, friend, till = people.member("Amina"), people.member("Baraka"), Till.at(people)
    for certificate in [c for _ in range(5) for c in people.certificates(holder, 8)]:
        use_id, gift = str(uuid4()), str(uuid4())
        till.authorise(people.code(holder, certificate), 20_000, use_id)
        told: dict[str, Any] = {"recipient": friend.msisdn, "note": "", "receipt": False}

        def giving(
            db: Connection, certificate: int = certificate, gift: str = gift, told: dict[str, Any] = told
        ) -> str:
            return gifting.give(db, people.rules, gift_id=gift, giver=holder, certificates=[certificate], **told)

        def letting_go(db: Connection, use_id: str = use_id) -> None:
            redemption.void(db, people.rules, use_id=use_id, clerk=till.clerk)

        track.race(giving, letting_go)
        offered = int(people.value("SELECT amount_minor FROM gift WHERE id = :id", id=gift))
        assert offered in (30_000, 50_000)
        people.accept(gift, friend)
        assert people.owed("2100", certificate) == offered
    assert sum(Ledger(people).owned(member) for member in (holder, friend)) == 40 * 50_000
    assert people.books_in_order()


# Any order ------------------------------------------------------------------------------------------------------------
class Ledger:
    """What is a member's, wherever it is at the moment."""

    def __init__(self, people: People) -> None:
        self.people = people

    def owned(self, member: Member) -> int:
        """On certificates, held for a store, or offered and unanswered."""
        return int(self.people.value(_OWNED, member=member.id))

    def spent(self, member: Member) -> int:
        """What stores keep of theirs."""
        query = "SELECT coalesce(sum(captured_minor - returned_minor), 0) FROM redemption WHERE holder_id = :member"
        return int(self.people.value(query, member=member.id))

    def given(self, member: Member) -> int:
        """What they gave, less what they were given."""
        return int(self.people.value(_GIVEN, member=member.id))


_OWNED = """
    SELECT (SELECT coalesce(sum(b.amount_minor), 0) FROM certificate c JOIN account a ON a.code = '2100' AND a.owner = c.id::text
            JOIN balance b ON b.account_id = a.id WHERE c.holder_id = :member)
         + (SELECT coalesce(sum(amount_minor), 0) FROM redemption WHERE holder_id = :member AND state = 'authorised')
         + (SELECT coalesce(sum(amount_minor), 0) FROM gift WHERE giver_id = :member AND state = 'offered')"""
_GIVEN = """
    SELECT (SELECT coalesce(sum(amount_minor), 0) FROM gift WHERE giver_id = :member AND state = 'accepted')
         - (SELECT coalesce(sum(amount_minor), 0) FROM gift WHERE recipient_id = :member AND state = 'accepted')"""
_HELD = """
    SELECT c.id FROM certificate c JOIN account a ON a.code = '2100' AND a.owner = c.id::text
    JOIN balance b ON b.account_id = a.id WHERE c.holder_id = :member AND b.amount_minor > 0 ORDER BY c.id"""


class Market:
    """Three people, three tills, and whatever comes to their minds."""

    def __init__(self, people: People, later: Database, dice: random.Random) -> None:
        self.people, self.later, self.dice, self.ledger = people, later, dice, Ledger(people)
        self.members = [people.member(name) for name in ("Amina", "Baraka", "Chebet")]
        self.bought = {}
        for member in self.members:
            people.certificates(member, 2)
            people.certificate(member, "SB", 20_000)
            self.bought[member.id] = 120_000
        taking = ((300, "GL", "SB"), (1, "GL"), (9_999, "GL", "KIT"))
        self.tills = [Till.at(people, people.clerk(*kinds, commission_bps=bps)) for bps, *kinds in taking]
        self.codes: list[str] = []
        self.gifts: list[tuple[str, Member]] = []
        self.uses: list[str] = []
        self.references: list[str] = []
        self.refunds: list[str] = []
        self.acts = (
            self.ask, self.ask, self.use, self.authorise, self.authorise, self.capture, self.void, self.time_out,
            self.reverse, self.refund, self.refund, self.give, self.answer, self.expire,
        )  # fmt: skip

    def step(self) -> None:
        """One thing; a refusal is an answer like any other."""
        try:
            self.dice.choice(self.acts)()
        except Refusal:
            forget_failures(self.people)
        for member in self.members:
            owned, spent, given = self.ledger.owned(member), self.ledger.spent(member), self.ledger.given(member)
            assert owned + spent + given == self.bought[member.id], "somebody lost value, or has it twice"

    def till(self) -> Till:
        return self.dice.choice(self.tills)

    def minor(self) -> int:
        return self.dice.choice((1, 33, 700, 5_001, 20_000, 49_999, 90_000))

    def some(self, known: list[str]) -> str:
        """A known one, most often the newest, or one that nobody knows."""
        return self.dice.choice([*known[-3:], *known[-1:] * 3, str(uuid4())])

    def ask(self) -> None:
        member = self.dice.choice(self.members)
        with self.people.database.begin() as db:
            held = list(db.execute(text(_HELD), {"member": member.id}).scalars())
        if held:
            chosen = self.dice.sample(held, self.dice.randint(1, len(held)))
            self.codes.append(self.people.code(member, *chosen))

    def use(self) -> None:
        use_id = self.some(self.uses) if self.dice.random() < 0.2 else str(uuid4())
        self.references.append(self.till().use(self.some(self.codes), self.minor(), use_id).reference)
        self.uses.append(use_id)

    def authorise(self) -> None:
        use_id = str(uuid4())
        self.references.append(self.till().authorise(self.some(self.codes), self.minor(), use_id).reference)
        self.uses.append(use_id)

    def capture(self) -> None:
        self.till().capture(self.some(self.uses), self.minor())

    def void(self) -> None:
        self.till().void(self.some(self.uses))

    def time_out(self) -> None:
        with self.later.begin() as db:
            due = redemption.due(db, limit=3)
        for use_id in due:
            with self.later.begin() as db:
                redemption.time_out(db, self.people.rules, use_id=use_id)

    def reverse(self) -> None:
        self.till().reverse(self.some(self.uses))

    def refund(self) -> None:
        refund_id = self.some(self.refunds)
        self.till().refund(self.some(self.references), self.minor(), refund_id)
        self.refunds.append(refund_id)

    def give(self) -> None:
        giver, recipient = self.dice.sample(self.members, 2)
        with self.people.database.begin() as db:
            held = list(db.execute(text(_HELD), {"member": giver.id}).scalars())
        if held:
            self.gifts.append((self.people.gift(giver, self.dice.choice(held), recipient.msisdn), recipient))

    def answer(self) -> None:
        if self.gifts:
            gift, recipient = self.gifts.pop(self.dice.randrange(len(self.gifts)))
            answer = self.dice.choice((gifting.accept, gifting.decline))
            with self.people.database.begin() as db:
                answer(db, self.people.rules, gift_id=gift, recipient=recipient)

    def expire(self) -> None:
        """A certificate's last day was yesterday, a long time ago, or is far away."""
        with self.people.database.begin() as db:
            known = list(db.exec_driver_sql("SELECT id FROM certificate ORDER BY id").scalars())
            day = self.dice.choice(("2020-01-01", "2099-01-01", None))
            change = "UPDATE certificate SET expires_on = %s WHERE id = %s"
            db.exec_driver_sql(change, (day, self.dice.choice(known)))


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_what_tills_and_holders_ask_loses_nobodys_value(
    people: People, later: Database, seed: int
) -> None:
    market = Market(people, later, random.Random(f"uses {seed}"))
    for _ in range(STEPS):
        market.step()
        assert people.books_in_order()
    assert people.value("SELECT count(*) FROM redemption") > 0
