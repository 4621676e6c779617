"""Who calls names a member's number and types its PIN: guesses are counted so that a stranger locks out nobody but themselves."""

import pytest

from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from tests.people import People

PIN, WRONG = "7193", "7194"


@pytest.fixture
def amina(people: People) -> Member:
    return people.member(pin_hash=people.rules.pins.hash(PIN))


def refused(people: People, caller: Msisdn, claimed: Msisdn, typed: str = WRONG) -> str:
    with pytest.raises(Refusal) as refusal:
        people.rules.pins.check_caller(caller, claimed, typed)
    return refusal.value.code


def test_number_and_pin_are_enough_from_any_phone(people: People, amina: Member) -> None:
    people.rules.pins.check_caller(people.number(), amina.msisdn, PIN)
    people.rules.pins.check_caller(amina.msisdn, amina.msisdn, PIN)


def test_a_wrong_pin_no_pin_and_nobodys_number_are_answered_alike(people: People, amina: Member) -> None:
    caller = people.number()
    for claimed in (amina.msisdn, people.member("Baraka").msisdn, people.number()):
        assert refused(people, caller, claimed) == "wrong_caller"


def test_who_guesses_waits_and_the_owner_is_served(people: People, amina: Member) -> None:
    stranger = people.number()
    assert [refused(people, stranger, amina.msisdn) for _ in range(4)] == ["wrong_caller"] * 2 + ["locked"] * 2
    assert refused(people, stranger, amina.msisdn, PIN) == "locked"
    people.rules.pins.check_caller(amina.msisdn, amina.msisdn, PIN)
    people.rules.pins.check_caller(people.number(), amina.msisdn, PIN)
    people.rules.pins.check_pin(amina.msisdn, PIN)


def test_forged_callers_slow_down_other_phones_and_neither_the_owners_own_nor_dialling(
    people: People, amina: Member
) -> None:
    codes = [refused(people, people.number(), amina.msisdn) for _ in range(6)]
    assert codes == ["wrong_caller"] * 4 + ["locked"] * 2
    other = people.number()
    assert refused(people, other, amina.msisdn, PIN) == "locked"
    people.rules.pins.check_caller(amina.msisdn, amina.msisdn, PIN)
    people.rules.pins.check_pin(amina.msisdn, PIN)
    people.run("UPDATE attempt_counter SET locked_until = locked_until - interval '61 seconds'")
    for _ in range(4):  # the locked tries did not count against the other phone
        people.rules.pins.check_caller(other, amina.msisdn, PIN)


def test_one_phone_that_tries_many_numbers_waits(people: People) -> None:
    caller = people.number()
    codes = [refused(people, caller, people.number()) for _ in range(11)]
    assert codes == ["wrong_caller"] * 9 + ["locked"] * 2
