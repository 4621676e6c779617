"""Holds: authorised, then captured in whole or part, voided or timed out; each ends once, and nothing of it is lost."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from bot.chores import Chores
from circulation import redemption
from circulation.notices import HELD, LET_GO, USED
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People
from tests.tills import Till, kes


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value.code


class Held:
    """A hold of KES 700 on two certificates of KES 500."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.holder = people.member()
        self.first, self.second = people.certificates(self.holder, 2)
        self.till, self.id = Till.at(people), str(uuid4())
        self.code = people.code(self.holder, self.first, self.second)
        self.hold = self.till.authorise(self.code, 70_000, self.id)

    def left(self) -> list[int]:
        return [self.people.owed("2100", certificate) for certificate in (self.first, self.second)]

    def state(self) -> str:
        return str(self.people.value("SELECT state FROM redemption WHERE id = :id", id=self.id))


@pytest.fixture
def held(people: People) -> Held:
    return Held(people)


@pytest.fixture
def later(people: People) -> Iterator[Database]:
    """The same database after the time of every hold."""
    later = Database(people.database.url, role=BUSINESS, connections=4)
    later.clock_offset = f"{redemption.HOLD_SECONDS} seconds"
    yield later
    later.close()


def test_an_authorisation_holds_and_tells_the_holder_until_when(people: People, held: Held) -> None:
    assert people.postings(f"{held.id}:authorised") == [
        ("2100", str(held.first), 50_000),
        ("2100", str(held.second), 20_000),
        ("2120", held.id, -70_000),
    ]
    assert people.owed("2200", held.till.clerk.store_id) == 0
    told = people.texts(held.holder.msisdn)[-1]
    assert (told.sentence, told.holes["amount"]) == (HELD, {"money": [70_000, "KES"]})
    assert told.holes["until"] == {"time": held.hold.until.isoformat()}
    assert people.books_in_order()


def test_a_capture_of_less_pays_the_store_and_returns_the_rest_to_what_was_to_be_spent_last(
    people: People, held: Held
) -> None:
    assert held.till.capture(held.id, 35_050).amount == kes(35_050)
    assert people.postings(f"{held.id}:captured") == [
        ("2120", held.id, 70_000),
        ("2200", str(held.till.clerk.store_id), -33_998),
        ("4020", "", -1_052),
        ("2100", str(held.first), -14_950),
        ("2100", str(held.second), -20_000),
    ]
    assert held.left() == [14_950, 50_000]
    told = people.texts(held.holder.msisdn)[-1]
    assert (told.sentence, told.holes["left"]) == (USED, {"money": [14_950, "KES"]})
    assert people.books_in_order()


def test_a_void_returns_all_of_it_and_tells_the_holder(people: People, held: Held) -> None:
    held.till.void(held.id)
    held.till.void(held.id)
    assert people.postings(f"{held.id}:voided") == [
        ("2120", held.id, 70_000),
        ("2100", str(held.first), -50_000),
        ("2100", str(held.second), -20_000),
    ]
    assert (held.left(), held.state()) == ([50_000, 50_000], "voided")
    assert [told.sentence for told in people.texts(held.holder.msisdn)].count(LET_GO) == 1
    assert people.books_in_order()


def test_the_chores_return_a_hold_whose_time_is_over_and_no_other(people: People, held: Held, later: Database) -> None:
    assert Chores(people.database, people.rules, conversation_seconds=60).time_out_holds() == 0
    assert held.state() == "authorised"
    chores = Chores(later, people.rules, conversation_seconds=60)
    assert [chores.time_out_holds(), chores.time_out_holds()] == [1, 0]
    assert people.postings(f"{held.id}:timed out") == [
        ("2120", held.id, 70_000),
        ("2100", str(held.first), -50_000),
        ("2100", str(held.second), -20_000),
    ]
    assert (held.left(), held.state()) == ([50_000, 50_000], "timed out")
    assert people.texts(held.holder.msisdn)[-1].sentence == LET_GO
    assert people.books_in_order()


def test_a_hold_cannot_time_out_early_nor_be_captured_late(people: People, held: Held, later: Database) -> None:
    held.till.time_out(held.id)
    assert held.state() == "authorised"
    assert refusal(lambda: Till.at(people, held.till.clerk, later).capture(held.id, 70_000)) == "hold_ended"
    assert held.state() == "authorised"


def test_each_verb_asked_again_gives_the_first_answer(people: People, held: Held) -> None:
    again = held.till.authorise(held.code, 70_000, held.id)
    assert (again.reference, again.amount, again.again) == (held.hold.reference, kes(70_000), True)
    first = held.till.capture(held.id, 60_000)
    assert (first.again, held.till.capture(held.id, 60_000).again) == (False, True)
    assert held.till.capture(held.id, 10).amount == kes(60_000)
    assert [told.sentence for told in people.texts(held.holder.msisdn)].count(HELD) == 1
    assert held.left() == [0, 40_000]
    assert people.books_in_order()


def test_what_has_ended_in_one_way_does_not_end_in_another(people: People, held: Held) -> None:
    held.till.capture(held.id, 70_000)
    assert refusal(lambda: held.till.void(held.id)) == "use_captured"
    other = Held(people)
    other.till.void(other.id)
    assert refusal(lambda: other.till.capture(other.id, 100)) == "hold_ended"
    assert refusal(lambda: other.till.authorise(other.code, 70_000, other.id)) == "hold_ended"
    assert refusal(lambda: other.till.use(other.code, 70_000, other.id)) == "hold_ended"
    assert refusal(lambda: other.till.use(other.code, 100)) == "code_refused"
    assert people.books_in_order()


def test_no_more_is_captured_than_was_held(people: People, held: Held) -> None:
    for minor in (70_001, 0, -1):
        assert refusal(lambda minor=minor: held.till.capture(held.id, minor)) == "over_hold"  # type: ignore[misc]
    assert held.till.capture(held.id, 70_000).amount == kes(70_000)


def test_another_stores_hold_is_refused_in_the_words_for_an_unknown_one(people: People, held: Held) -> None:
    stranger = Till.at(people)
    for use_id in (held.id, str(uuid4())):
        assert refusal(lambda use_id=use_id: stranger.capture(use_id, 100)) == "use_unknown"  # type: ignore[misc]
        assert refusal(lambda use_id=use_id: stranger.void(use_id)) == "use_unknown"  # type: ignore[misc]
    assert refusal(lambda: stranger.authorise(held.code, 100, held.id)) == "code_refused"
    colleague = Till.at(people, people.clerk(store_id=held.till.clerk.store_id))
    assert colleague.capture(held.id, 100).amount == kes(100)


def test_more_than_a_certificate_has_is_not_held_and_the_code_stays_good(people: People) -> None:
    holder, till = people.member(), Till.at(people)
    code = people.code(holder, people.certificate(holder))
    for minor in (50_001, 0, -100):
        assert refusal(lambda minor=minor: till.authorise(code, minor)) == "over_code"  # type: ignore[misc]
    assert till.authorise(code, 50_000).amount == kes(50_000)


# Where it comes back to -----------------------------------------------------------------------------------------------
def fresh(people: People, origin: int) -> list[tuple[int, int]]:
    """(holder, owed) of each certificate made for what came back from this one."""
    rows = people.rows("SELECT id, holder_id FROM certificate WHERE returned_from = :id ORDER BY id", id=origin)
    return [(row.holder_id, people.owed("2100", row.id)) for row in rows]


def test_what_comes_back_after_the_rest_was_given_away_is_its_users_on_a_certificate_of_their_own(
    people: People, held: Held
) -> None:
    friend = people.member("Baraka")
    gift = people.gift(held.holder, held.second, friend.msisdn)
    people.accept(gift, friend)
    held.till.void(held.id)
    assert people.owed("2100", held.second) == 30_000
    assert people.value("SELECT holder_id FROM certificate WHERE id = :id", id=held.second) == friend.id
    assert fresh(people, held.second) == [(held.holder.id, 20_000)]
    assert people.owed("2100", held.first) == 50_000
    assert people.books_in_order()


def test_what_comes_back_while_the_rest_is_offered_does_not_go_along_with_the_gift(people: People, held: Held) -> None:
    friend = people.member("Baraka")
    gift = people.gift(held.holder, held.second, friend.msisdn)
    held.till.capture(held.id, 60_000)
    people.accept(gift, friend)
    assert people.owed("2100", held.second) == 30_000
    assert fresh(people, held.second) == [(held.holder.id, 10_000)]
    assert people.books_in_order()


def test_what_comes_back_after_its_last_day_has_a_whole_new_period(people: People, held: Held) -> None:
    with people.database.begin() as db:
        db.exec_driver_sql("UPDATE certificate SET expires_on = '2020-01-01' WHERE id = %s", (held.second,))
    held.till.void(held.id)
    assert people.owed("2100", held.second) == 30_000
    assert fresh(people, held.second) == [(held.holder.id, 20_000)]
    period = """
        SELECT expires_on IS NULL OR expires_on > current_date + 300 AS good, face_minor, purchase_id, issuer_id, law
        FROM certificate WHERE returned_from = :id"""
    (row,) = people.rows(period, id=held.second)
    origin = people.rows(
        "SELECT face_minor, purchase_id, issuer_id, law FROM certificate WHERE id = :id", id=held.second
    )[0]
    assert row.good
    assert tuple(row[1:]) == tuple(origin)


def test_what_comes_back_from_a_handed_over_certificate_keeps_its_last_day(people: People, held: Held) -> None:
    with people.database.begin() as db:
        db.exec_driver_sql("UPDATE certificate SET expires_on = '2099-05-06' WHERE id = %s", (held.second,))
    people.gift(held.holder, held.second, people.number())
    held.till.void(held.id)
    day = "SELECT expires_on::text FROM certificate WHERE returned_from = :id"
    assert people.value(day, id=held.second) == "2099-05-06"
