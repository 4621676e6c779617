"""Guesses: counted before they are looked at, waited for longer and longer, forgotten in the end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import text

from circulation.attempts import AGREEMENT, CODE_BY_CLERK, CODE_BY_STORE, PIN, Attempts, Guard
from circulation.msisdn import Msisdn
from circulation.pins import Pins
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import People


class Guesser:
    """Somebody who guesses, at a clock that can be put forward."""

    def __init__(self, database_url: str, guard: Guard) -> None:
        self.database = Database(database_url, connections=2)
        self.attempts = Attempts(self.database)
        self.guard = guard

    def at(self, seconds: float) -> "Guesser":
        self.database.clock_offset = f"{seconds} seconds"
        return self

    def fails(self, subject: str = "1") -> int:
        """One wrong guess more; how many are now counted."""
        self.attempts.reserve(self.guard, subject)
        return self.counted(subject)

    def counted(self, subject: str = "1") -> int:
        with self.database.begin() as db:
            query = text("SELECT failures FROM attempt_counter WHERE scope = :scope AND subject = :subject")
            return int(db.execute(query, {"scope": self.guard.scope, "subject": subject}).scalar_one())

    def has_to_wait(self, subject: str = "1") -> bool:
        """Asking does not count: who waits is turned away before anything is counted."""
        try:
            self.attempts.reserve(self.guard, subject)
        except Refusal as refusal:
            assert refusal.code == "locked"
            assert isinstance(refusal.holes["until"], datetime)
            return True
        return False


@pytest.mark.parametrize("guard", [PIN, AGREEMENT, CODE_BY_CLERK, CODE_BY_STORE], ids=lambda guard: guard.scope)
def test_every_wait_begins_with_its_failure_and_ends_in_its_time(database_url: str, guard: Guard) -> None:
    guesser = Guesser(database_url, guard)
    now, most = 0, max(failures for failures, _ in guard.waits)
    for failure in range(1, most + 1):
        until = guesser.at(now).attempts.reserve(guard, "1")
        assert guesser.counted() == failure
        wait = max((seconds for failures, seconds in guard.waits if failures <= failure), default=0)
        assert (until is not None) == (wait > 0)
        if wait and failure < most:
            assert guesser.at(now + wait - 30).has_to_wait()
            now += wait + 30
    assert guesser.has_to_wait()
    guesser.database.close()


def test_who_waits_is_told_until_when_and_no_attempt_is_counted(database_url: str) -> None:
    guesser = Guesser(database_url, PIN)
    for _ in range(3):
        guesser.fails()
    with guesser.database.begin() as db:
        before = db.exec_driver_sql("SELECT failures, locked_until FROM attempt_counter").one()
    for _ in range(10):
        with pytest.raises(Refusal) as refused:
            guesser.fails()
        assert refused.value.holes["until"] == before.locked_until
    with guesser.database.begin() as db:
        assert db.exec_driver_sql("SELECT failures, locked_until FROM attempt_counter").one() == before
    guesser.database.close()


def test_guessers_and_kinds_of_guess_are_counted_apart(database_url: str) -> None:
    guesser, texter = Guesser(database_url, PIN), Guesser(database_url, AGREEMENT)
    for _ in range(3):
        guesser.fails("1")
    assert guesser.has_to_wait("1")
    assert guesser.fails("2") == 1
    assert texter.fails("1") == 1
    guesser.database.close()
    texter.database.close()


def test_in_the_end_all_is_forgotten(database_url: str) -> None:
    guesser = Guesser(database_url, PIN)
    for _ in range(3):
        guesser.fails()
    assert guesser.at(PIN.forget_seconds + 30).fails() == 1
    assert guesser.fails() == 2
    guesser.database.close()


@pytest.mark.parametrize("guard", [CODE_BY_CLERK, CODE_BY_STORE], ids=lambda guard: guard.scope)
def test_a_till_that_works_all_day_has_its_slips_forgotten_too(database_url: str, guard: Guard) -> None:
    till = Guesser(database_url, guard)
    for _ in range(4):
        till.fails()
    for tenth in range(1, 11):
        till.at(guard.forget_seconds * tenth / 10 + 30).attempts.reserve(guard, "1")
        till.attempts.forgive(guard, "1")
    assert till.fails() == 1
    till.database.close()


def test_a_right_guess_is_taken_back_alone_and_an_owner_clears_all(database_url: str) -> None:
    guesser = Guesser(database_url, PIN)
    guesser.fails()
    guesser.fails()
    guesser.attempts.forgive(PIN, "1")
    assert guesser.fails() == 2
    guesser.fails()
    guesser.attempts.forgive(PIN, "1")  # the third was right: what it locked is open
    assert guesser.fails() == 3
    guesser.attempts.clear(PIN, "1")
    assert guesser.fails() == 1
    guesser.database.close()


def test_forgiving_what_never_failed_gives_no_credit(database_url: str) -> None:
    guesser = Guesser(database_url, PIN)
    guesser.attempts.forgive(PIN, "1")
    guesser.fails()
    for _ in range(3):
        guesser.attempts.forgive(PIN, "1")
    assert guesser.fails() == 1
    guesser.database.close()


def test_guesses_made_at_once_do_not_slip_past_the_count(database_url: str) -> None:
    guesser = Guesser(database_url, PIN)
    with ThreadPoolExecutor(8) as many:
        turned_away = list(many.map(lambda _: guesser.has_to_wait(), range(40)))
    assert turned_away.count(False) == 3
    guesser.database.close()


# What the counters guard ------------------------------------------------------------------------------------------------
@pytest.fixture
def pins(people: People) -> Pins:
    return people.rules.pins


def with_pin(people: People, pin: str = "7193") -> Msisdn:
    return people.member(pin_hash=people.rules.pins.hash(pin)).msisdn


def refusal_of_pin(pins: Pins, phone: Msisdn, typed: str) -> str:
    with pytest.raises(Refusal) as refused:
        pins.check_pin(phone, typed)
    return refused.value.code


def test_a_right_pin_passes_and_forgets_the_slips_before_it(people: People, pins: Pins) -> None:
    phone = with_pin(people)
    for _ in range(3):
        assert refusal_of_pin(pins, phone, "0000") == "wrong_pin"
        assert refusal_of_pin(pins, phone, "") == "wrong_pin"
        pins.check_pin(phone, "7193")
    assert people.value("SELECT count(*) FROM attempt_counter") == 0


def test_three_wrong_pins_and_not_even_the_right_one_passes(people: People, pins: Pins) -> None:
    phone = with_pin(people)
    said = [refusal_of_pin(pins, phone, typed) for typed in ("0000", "0000", "0000", "7193")]
    assert said == ["wrong_pin", "wrong_pin", "locked", "locked"]
    pins.check_pin(with_pin(people), "7193")


@pytest.mark.parametrize("known", [True, False])
def test_who_has_no_pin_signs_with_none(people: People, pins: Pins, known: bool) -> None:
    phone = people.member().msisdn if known else people.number()
    assert refusal_of_pin(pins, phone, "7193") == "wrong_pin"


def test_wrong_numbers_by_text_lock_the_text_and_not_the_pin(people: People, pins: Pins) -> None:
    phone = with_pin(people)
    said = []
    for right in (False, False, False, True):
        with pytest.raises(Refusal) as refused:
            pins.check_number(phone, right=right)
        said.append(refused.value.code)
    assert said == ["wrong_agreement", "wrong_agreement", "locked", "locked"]
    pins.check_pin(phone, "7193")


def test_two_people_with_one_pin_have_two_hashes_and_another_pepper_opens_neither(people: People, pins: Pins) -> None:
    one, other = pins.hash("7193"), pins.hash("7193")
    assert one != other
    assert "7193" not in one
    assert pins.same("7193", one) and pins.same("7193", other)
    assert not Pins(people.database, Attempts(people.database), b"another pepper").same("7193", one)
