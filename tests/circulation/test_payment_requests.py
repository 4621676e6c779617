"""Bearer codes and payment requests: a picture names a certificate, and only its holder's own agreement pays."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest

from circulation import bearer, payment_requests
from circulation.catalogue import Clerk
from circulation.members import Member
from circulation.notices import PAYMENT_AGREED, PAYMENT_ASKED, PAYMENT_REFUSED
from circulation.redemption import Use
from circulation.refusals import Refusal
from tests.people import People
from tests.tills import kes

FACE = 50_000


def borne_by(people: People, certificate: int, holder: Member) -> str:
    """The code under the certificate's barcode, as a till reads it."""
    with people.database.begin() as db:
        code = bearer.code_for(db, people.rules, certificate_id=certificate, holder_id=holder.id)
    read = bearer.read(code)
    assert read is not None
    return read


def ask(people: People, clerk: Clerk, code: str, minor: int = 30_000) -> str:
    request_id = str(uuid4())
    with people.database.begin() as db:
        payment_requests.ask(db, people.rules, request_id=request_id, clerk=clerk, code=code, amount=kes(minor))
    return request_id


def agree(people: People, request_id: str, holder: Member) -> Use:
    with people.database.begin() as db:
        return payment_requests.agree(db, people.rules, request_id=request_id, holder=holder)


def refuse(people: People, request_id: str, holder: Member) -> None:
    with people.database.begin() as db:
        payment_requests.refuse(db, people.rules, request_id=request_id, holder=holder)


def waiting(people: People, holder: Member) -> payment_requests.Asked | None:
    with people.database.begin() as db:
        return payment_requests.waiting(db, holder)


def test_a_code_is_the_same_each_time_and_every_single_slip_in_it_is_noticed() -> None:
    code = "7KQ4MXW201ZT9H3"
    whole = next(code + check for check in bearer.ALPHABET if bearer.read(code + check))
    assert bearer.read(bearer.shown(whole).lower()) == whole
    assert bearer.read(whole.replace("0", "o").replace("1", "l")) == whole
    for place, right in enumerate(whole):
        for wrong in bearer.ALPHABET:
            if wrong != right:
                assert bearer.read(whole[:place] + wrong + whole[place + 1 :]) is None
    assert bearer.read(whole[:-1]) is None and bearer.read(whole + "0") is None and bearer.read("É" * 16) is None


def test_what_a_picture_shows_pays_once_the_holder_agrees_and_both_are_told(people: People) -> None:
    holder, clerk = people.member(), people.clerk()
    certificate = people.certificate(holder)
    code = borne_by(people, certificate, holder)
    assert borne_by(people, certificate, holder) == code
    assert people.value("SELECT count(*) FROM bearer_code WHERE digest = convert_to(:code, 'UTF8')", code=code) == 0

    request_id = ask(people, clerk, code)
    assert people.owed("2100", certificate) == FACE  # nothing is held while the holder thinks
    asked = waiting(people, holder)
    assert asked is not None and (asked.id, asked.store, asked.amount) == (request_id, clerk.store, kes(30_000))
    paid = agree(people, request_id, holder)

    assert people.owed("2100", certificate) == FACE - 30_000
    assert waiting(people, holder) is None
    assert people.texts(holder.msisdn)[0].sentence == PAYMENT_ASKED
    till = people.value("SELECT msisdn FROM clerk WHERE id = :id", id=clerk.id)
    (told,) = people.rows(
        "SELECT sentence, holes ->> 'reference' AS reference FROM outbox WHERE address = :till", till=till
    )
    assert (told.sentence, told.reference) == (PAYMENT_AGREED, paid.reference)
    with pytest.raises(Refusal, match="request_over"):
        agree(people, request_id, holder)
    assert people.books_in_order()


def test_whoever_only_has_the_picture_can_neither_pay_nor_see_what_it_is_worth(people: People) -> None:
    holder, thief, clerk = people.member(), people.member(), people.clerk()
    code = borne_by(people, people.certificate(holder), holder)
    request_id = ask(people, clerk, code)
    for act in (agree, refuse):
        with pytest.raises(Refusal, match="request_over"):
            act(people, request_id, thief)
    refuse(people, request_id, holder)
    with pytest.raises(Refusal, match="code_refused"):
        ask(people, clerk, code, FACE + 1)
    till = people.value("SELECT msisdn FROM clerk WHERE id = :id", id=clerk.id)
    assert people.value("SELECT sentence FROM outbox WHERE address = :till", till=till) == PAYMENT_REFUSED
    assert people.value("SELECT count(*) FROM redemption") == 0


def _given_away(people: People, holder: Member, certificate: int) -> None:
    recipient = people.member()
    people.accept(people.gift(holder, certificate, recipient.msisdn), recipient)


def _spent(people: People, holder: Member, certificate: int) -> None:
    code = borne_by(people, certificate, holder)
    agree(people, ask(people, people.clerk(), code, FACE), holder)


def _offered(people: People, holder: Member, certificate: int) -> None:
    people.gift(holder, certificate, people.number())


@pytest.mark.parametrize("happened", [_given_away, _spent, _offered])
def test_a_code_dies_with_what_it_named(people: People, happened: Callable[[People, Member, int], None]) -> None:
    holder = people.member()
    certificate = people.certificate(holder)
    code = borne_by(people, certificate, holder)
    happened(people, holder, certificate)
    with pytest.raises(Refusal, match="code_refused"):
        ask(people, people.clerk(), code, 100)


def test_guesses_are_counted_like_those_of_any_code_and_another_stores_certificate_is_a_guess(people: People) -> None:
    holder, clerk = people.member(), people.clerk("NA")
    code = borne_by(people, people.certificate(holder), holder)
    for _ in range(5):
        with pytest.raises(Refusal, match="code_refused"):
            ask(people, clerk, code)
    with pytest.raises(Refusal, match="locked"):
        ask(people, clerk, code)


def test_one_till_asks_at_a_time_and_asking_twice_asks_once(people: People) -> None:
    holder, clerk = people.member(), people.clerk()
    code = borne_by(people, people.certificate(holder), holder)
    first = ask(people, clerk, code)
    ask(people, clerk, code)
    with pytest.raises(Refusal, match="being_asked"):
        ask(people, people.clerk(), code)
    assert people.value("SELECT count(*) FROM payment_request") == 1
    people.run("UPDATE payment_request SET expires_at = clock() - interval '1 second'")
    with pytest.raises(Refusal, match="request_over"):
        agree(people, first, holder)
    agree(people, ask(people, people.clerk(), code), holder)
    assert people.value("SELECT state FROM payment_request WHERE id = :id", id=first) == "lapsed"


def test_of_an_agreement_and_a_refusal_at_the_same_moment_one_wins(people: People) -> None:
    holder, clerk = people.member(), people.clerk()
    code = borne_by(people, people.certificate(holder), holder)
    for _ in range(10):
        request_id, ended = ask(people, clerk, code, 100), []
        together = threading.Barrier(2)

        def answer(act: Callable[[People, str, Member], object], word: str) -> None:
            together.wait()  # noqa: B023
            try:
                act(people, request_id, holder)  # noqa: B023 - joined before the next round
                ended.append(word)  # noqa: B023
            except Refusal as refusal:
                assert refusal.code == "request_over"

        threads = [threading.Thread(target=answer, args=each) for each in ((agree, "agreed"), (refuse, "refused"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [people.value("SELECT state FROM payment_request WHERE id = :id", id=request_id)] == ended
    assert people.books_in_order()
