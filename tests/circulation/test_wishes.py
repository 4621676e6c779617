"""wishes: who wants no texts about gifts or reminders gets none, by whatever sender, until they want them again."""

import pytest

from circulation import wishes
from circulation.wishes import Asked, Purpose
from tests.people import People


def declined(people: People, *rows: Asked) -> set[Asked]:
    with people.database.begin() as db:
        return wishes.declined(db, rows)


def stop(people: People, address: str, sender: str, purpose: Purpose = "all") -> None:
    with people.database.begin() as db:
        wishes.stop(db, address, sender, purpose)


def test_everything_that_can_be_declined_is_and_nothing_else(people: People) -> None:
    phone = people.number().e164
    stop(people, phone, "twilio")
    asked = [(phone, "twilio", purpose) for purpose in ("answer", "service", "gift", "reminder")]
    assert declined(people, *asked) == {(phone, "twilio", "gift"), (phone, "twilio", "reminder")}


@pytest.mark.parametrize(("purpose", "other"), [("gift", "reminder"), ("reminder", "gift")])
def test_one_purpose_leaves_the_other(people: People, purpose: Purpose, other: str) -> None:
    phone = people.number().e164
    stop(people, phone, "twilio", purpose)
    assert declined(people, (phone, "twilio", purpose), (phone, "twilio", other)) == {(phone, "twilio", purpose)}


def test_nobody_is_written_to_by_a_sender_they_never_wrote_to_instead(people: People) -> None:
    amina, stranger = people.member(), people.number().e164
    for phone in (amina.msisdn.e164, stranger):
        stop(people, phone, "twilio")
        assert declined(people, (phone, "kannel", "gift"))
    people.run("UPDATE member SET sms_provider = 'kannel' WHERE id = :id", id=amina.id)
    assert not declined(people, (amina.msisdn.e164, "kannel", "gift")), "they came to us by that one later"
    assert declined(people, (amina.msisdn.e164, "twilio", "gift"))


def test_wanting_texts_again_tells_what_is_restored_and_by_whom_they_come(people: People) -> None:
    phone = people.number()
    stop(people, phone.e164, "twilio")
    stop(people, phone.e164, "kannel", "gift")
    with people.database.begin() as db:
        assert wishes.start(db, phone, "kannel", "sw") == {"gift"}
        assert wishes.start(db, phone, "kannel", "sw") == set(), "there is nothing more to restore"
    assert not declined(people, (phone.e164, "kannel", "gift"))
    assert declined(people, (phone.e164, "twilio", "gift")), "what that one was told, only it can be told otherwise"
    met = people.met(phone)
    assert (met.sms_provider, met.language, met.joined) == ("kannel", "sw", False)


def test_what_a_provider_says_counts_as_if_the_person_had_said_it(people: People) -> None:
    phone = people.number()
    with people.database.begin() as db:
        wishes.told_by_provider(db, phone.e164, "twilio")
        wishes.told_by_provider(db, phone.e164, "twilio")
        assert not wishes.takes_gifts(db, people.rules.routes, phone)
        assert wishes.takes_gifts(db, people.rules.routes, people.number())


def test_an_address_without_a_phone_declines_too(people: People) -> None:
    stop(people, "carol@example.org", "smtp", "gift")
    asked = [("carol@example.org", "smtp", "gift"), ("dan@example.org", "smtp", "gift")]
    assert declined(people, *asked) == {asked[0]}


def test_a_gift_to_who_declined_is_offered_all_the_same(people: People) -> None:
    amina, phone = people.member(), people.number()
    stop(people, phone.e164, "twilio")
    people.gift(amina, people.certificate(amina), phone)
    (row,) = people.rows("SELECT address, provider, purpose FROM outbox WHERE address = :to", to=phone.e164)
    assert declined(people, tuple(row)) == {tuple(row)}, "its notice is not sent"
    assert people.value("SELECT state FROM gift") == "offered"
