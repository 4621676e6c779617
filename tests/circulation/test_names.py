"""Whose phone is it? A member's name as they let it be seen, questions to the network, and no more than twenty a day."""

import pytest

from circulation import names
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.names import MOST_A_DAY, Known
from circulation.refusals import Refusal
from tests.people import People


def ask(people: People, giver: Member, msisdn: Msisdn, name: str = "Baraka") -> int:
    with people.database.begin() as db:
        return names.ask(db, giver, msisdn, name)


def see(people: People, giver: Member, msisdn: Msisdn) -> str:
    with people.database.begin() as db:
        return names.see(db, giver, msisdn)


def shown(people: People, msisdn: Msisdn) -> str:
    with people.database.begin() as db:
        return names.shown(db, msisdn)


def known(people: People, check: int) -> Known:
    with people.database.begin() as db:
        return names.known(db, check)


def claim(people: People) -> list[names.Question]:
    with people.database.begin() as db:
        return names.claim(db, batch=50, lease=15)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("Amina Otieno", "A**** O."),
        ("Amina", "A****"),
        ("Jo", "J****"),
        ("Maria del Carmen Ruiz", "M**** R."),
        ("'Aisha bint Ali", "A**** A."),
        ("김 민수", "김**** 민."),
        ("🎁", "🎁****"),
    ],
)
def test_a_masked_name_shows_first_letters_and_not_how_long_it_is(name: str, seen: str) -> None:
    assert names.masked(name) == seen


def test_a_member_is_shown_masked_until_they_choose_otherwise(people: People) -> None:
    member = people.member("Amina Otieno")
    assert shown(people, member.msisdn) == "A**** O."
    for choice, seen in (("full", "Amina Otieno"), ("hidden", ""), ("masked", "A**** O.")):
        with people.database.begin() as db:
            names.show(db, member, choice)  # type: ignore[arg-type]
        assert shown(people, member.msisdn) == seen


def test_of_who_never_joined_no_name_is_shown(people: People) -> None:
    stranger = people.number()
    people.run("INSERT INTO member (msisdn) VALUES (:msisdn)", msisdn=stranger.e164)
    assert shown(people, stranger) == ""
    assert shown(people, people.number()) == ""


def test_the_network_is_asked_once_and_its_answer_is_kept(people: People) -> None:
    giver, stranger = people.member(), people.number()
    check = ask(people, giver, stranger)
    assert ask(people, giver, stranger) == check
    assert known(people, check) == "unknown"

    (question,) = claim(people)
    assert (question.id, question.msisdn, question.name, question.attempt) == (check, stranger, "Baraka", 1)
    assert claim(people) == []
    with people.database.begin() as db:
        names.answered(db, question, "match")

    assert known(people, check) == "match"
    people.database.clock_offset = "1 minute"
    assert claim(people) == []


def test_a_question_is_kept_out_of_the_words_of_its_object(people: People) -> None:
    ask(people, people.member(), people.number(), "Barakasecret")
    (question,) = claim(people)
    assert "Barakasecret" not in repr(question)


def test_a_worker_that_lost_its_lease_changes_nothing(people: People) -> None:
    check = ask(people, people.member(), people.number())
    (late,) = claim(people)
    people.database.clock_offset = "20 seconds"
    (current,) = claim(people)

    with people.database.begin() as db:
        names.answered(db, late, "match")
    assert known(people, check) == "unknown"
    with people.database.begin() as db:
        names.answered(db, current, "no_match")

    assert known(people, check) == "no_match"


def test_a_question_without_an_answer_is_asked_again_later_and_not_for_long(people: People) -> None:
    ask(people, people.member(), people.number())
    (question,) = claim(people)
    with people.database.begin() as db:
        names.later(db, question, seconds=5)
    assert claim(people) == []
    people.database.clock_offset = "6 seconds"
    assert [again.attempt for again in claim(people)] == [2]
    people.database.clock_offset = "11 minutes"
    assert claim(people) == []


def test_a_giver_learns_something_of_twenty_numbers_a_day_members_or_not(people: People) -> None:
    giver, other = people.member(), people.member()
    strangers = [people.number() for _ in range(MOST_A_DAY - 1)]
    for stranger in strangers:
        ask(people, giver, stranger)
    member = people.member("Chebet")
    assert see(people, giver, member.msisdn) == "C****"

    for verb in (see, ask):
        with pytest.raises(Refusal) as refused:
            verb(people, giver, people.member().msisdn)
        assert refused.value.code == "too_many_names"
    with people.database.begin() as db:
        assert not names.may_look(db, giver, people.number())
        assert names.may_look(db, giver, strangers[0])
        assert names.may_look(db, other, people.number())
    assert see(people, giver, member.msisdn) == "C****"  # what was seen today may be seen again

    people.database.clock_offset = "25 hours"
    ask(people, giver, people.number())


def test_another_name_for_the_same_number_is_another_question(people: People) -> None:
    giver, stranger = people.member(), people.number()
    for guess in range(MOST_A_DAY):
        ask(people, giver, stranger, f"Name {guess}")
    with pytest.raises(Refusal) as refused:
        ask(people, giver, stranger, "One more")
    assert refused.value.code == "too_many_names"


def test_who_asked_about_whom_is_forgotten_after_two_days(people: People) -> None:
    ask(people, people.member(), people.number())
    with people.database.begin() as db:
        assert names.forget(db) == 0
    people.database.clock_offset = "49 hours"
    with people.database.begin() as db:
        assert names.forget(db) == 1
