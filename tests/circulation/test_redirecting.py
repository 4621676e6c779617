"""What a giver may do about a gift that was not answered: it goes elsewhere once, and never to two people."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from circulation import delivery, gifting, notices, redirecting
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.unreached import ASKED
from tests.people import People
from tests.reaching import Reaching

ROUNDS = 60


def redirect(reaching: Reaching, gift: str, to: Msisdn | Email, *, receipt: bool = False) -> redirecting.Redirected:
    with reaching.people.database.begin() as db:
        return redirecting.redirect(
            db, reaching.rules, gift_id=gift, giver=reaching.giver, recipient=to, receipt=receipt
        )


def refused(reaching: Reaching, gift: str, to: Msisdn | Email) -> str:
    with pytest.raises(Refusal) as refusal:
        redirect(reaching, gift, to)
    return refusal.value.code


def test_an_unanswered_gift_goes_to_another_number_and_both_recipients_are_told(people: People) -> None:
    reaching, other = Reaching(people), people.number()
    gift = reaching.gift()
    people.run("UPDATE gift SET lapses_at = clock() + interval '1 hour', sent_at = clock() - interval '6 days'")

    redirected = redirect(reaching, gift, other, receipt=True)
    assert redirect(reaching, gift, other, receipt=True) == redirected

    assert redirected.amount == Money(50_000, "KES")
    assert [told.sentence for told in people.texts(reaching.recipient)] == [
        notices.GIFT_WAITS_NO_NOTE,
        notices.GIFT_RECALLED,
    ]
    assert [told.sentence for told in people.texts(other)] == [notices.GIFT_WAITS_NO_NOTE]
    assert reaching.told() == [notices.GIFT_REDIRECTED]
    assert people.value("SELECT lapses_at > clock() + interval '6 days' FROM gift")
    with people.database.begin() as db:
        assert gifting.offers(db, reaching.recipient) == []
        with pytest.raises(Refusal, match="gift_recalled"):
            gifting.accept(db, reaching.rules, gift_id=gift, recipient=people.met(reaching.recipient))
        gifting.accept(db, reaching.rules, gift_id=gift, recipient=people.met(other))
    assert people.books_in_order()


def test_what_became_of_the_first_recipients_notice_is_no_news_of_the_second(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()
    lost = reaching.fails(gift, "30005", "never")
    with people.database.begin() as db:
        assert [one.gift_id for one in delivery.asked(db, reaching.giver.id)] == [gift]

    redirect(reaching, gift, people.number())
    reaching.descend(lost, "never")

    with people.database.begin() as db:
        assert delivery.progress(db, gift).stage == "queued"
        assert delivery.asked(db, reaching.giver.id) == []


def test_the_first_recipients_notice_has_no_say_where_nothing_is_carried_to_the_second(people: People) -> None:
    reaching = Reaching(people, f"sms {people.number().e164[:6]} twilio")
    gift = reaching.gift()
    notice = reaching.ends(gift, "undelivered", "30003")

    redirect(reaching, gift, Msisdn("+254722000001"))
    reaching.descend(notice)

    assert reaching.told() == [ASKED["no_route"]]


def test_a_gift_for_a_day_to_come_changes_its_number_without_a_word_to_anybody(people: People) -> None:
    reaching, other = Reaching(people), people.number()
    gift = people.planned_gift(reaching.giver, people.certificates(reaching.giver, 1), reaching.recipient)

    redirect(reaching, gift, other)

    assert people.value("SELECT state || sent_at IS NULL FROM gift") is not None
    assert people.value("SELECT r.msisdn FROM gift g JOIN member r ON r.id = g.recipient_id") == other.e164
    assert (people.texts(reaching.recipient), people.texts(other)) == ([], [])


def test_a_gift_by_mail_goes_on_to_a_phone_and_back_to_another_address(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()

    redirect(reaching, gift, Email("carol@example.org"))
    redirect(reaching, gift, people.number())

    assert reaching.forms(gift) == ["sms", "email", "sms"]
    assert people.value("SELECT recipient_email FROM gift") is None


def test_who_had_a_gift_before_sees_no_more_of_it(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    gift = reaching.gift(reaching.piece())

    redirect(reaching, gift, people.number())

    pages = "SELECT expires_at > clock() FROM media WHERE gift_id = :id AND kind = 'page' ORDER BY expires_at"
    assert [row[0] for row in people.rows(pages, id=gift)] == [False, True]


def test_it_does_not_go_to_oneself_to_the_same_number_or_on_and_on(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()

    assert refused(reaching, gift, reaching.giver.msisdn) == "own_number"
    assert refused(reaching, gift, reaching.recipient) == "same_number"
    for _ in range(redirecting.MOST_A_DAY):
        redirect(reaching, gift, people.number())
    assert refused(reaching, gift, people.number()) == "redirected_enough"
    people.run("UPDATE gift_redirect SET created_at = created_at - interval '25 hours'")
    redirect(reaching, gift, people.number())


def test_each_number_counts_as_a_gift_of_that_day(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()
    counted = "SELECT count FROM sending_tally WHERE scope = 'giver'"
    before = people.value(counted)

    redirect(reaching, gift, people.number())

    assert people.value(counted) == before + 1


def test_what_was_answered_lapsed_or_is_anothers_does_not_go_elsewhere(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()
    thief = Reaching(people)
    assert refused(thief, gift, people.number()) == "gift_answered"
    with people.database.begin() as db:
        gifting.decline(db, reaching.rules, gift_id=gift, recipient=people.met(reaching.recipient))
    assert refused(reaching, gift, people.number()) == "gift_answered"
    late = reaching.gift()
    people.run("UPDATE gift SET lapses_at = clock() WHERE id = :id", id=late)

    assert refused(reaching, late, people.number()) == "gift_lapsed"


def test_against_an_answer_at_the_same_moment_exactly_one_wins(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    reaching.giver = people.member()
    recipient = people.met(people.member().msisdn)
    reaching.recipient = recipient.msisdn
    outcomes = set()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            outcomes.add(_race(pool, reaching, recipient))
            people.run("DELETE FROM sending_tally")
    assert outcomes <= {("accepted", "gift_answered"), ("gift_recalled", "redirected")}
    assert people.books_in_order()


def _race(pool: ThreadPoolExecutor, reaching: Reaching, recipient: Member) -> tuple[str, str]:
    people, gift, gate = reaching.people, reaching.gift(), threading.Barrier(2)

    def accepting() -> str:
        with people.database.begin() as db:
            gate.wait(10)
            gifting.accept(db, reaching.rules, gift_id=gift, recipient=recipient)
        return "accepted"

    def redirecting_it() -> str:
        gate.wait(10)
        redirect(reaching, gift, people.number())
        return "redirected"

    def outcome(act: object) -> str:
        try:
            return act()  # type: ignore[operator, no-any-return]
        except Refusal as refusal:
            return refusal.code

    first, second = pool.map(outcome, (accepting, redirecting_it))
    return first, second


def test_a_recipient_is_called_at_the_givers_wish_and_not_twice_at_once(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()
    people.run("UPDATE outbox SET state = 'sent'")

    with people.database.begin() as db:
        at = redirecting.call(db, reaching.rules, gift_id=gift, giver=reaching.giver)
        if at is None:
            with pytest.raises(Refusal, match="on_its_way"):
                redirecting.call(db, reaching.rules, gift_id=gift, giver=reaching.giver)

    assert (at is None) == ("voice" in reaching.forms(gift))


def test_a_text_goes_again_after_a_while_and_not_for_ever(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    gift = reaching.gift()

    def again() -> str:
        with people.database.begin() as db:
            try:
                redirecting.text_again(db, reaching.rules, gift_id=gift, giver=reaching.giver)
            except Refusal as refusal:
                return refusal.code
        return ""

    assert again() == "texted_enough"  # it has not even left
    for expected in ("", "", "texted_enough"):
        people.run("UPDATE outbox SET state = 'sent', created_at = created_at - interval '11 minutes'")
        people.run("UPDATE gift SET sent_at = sent_at - interval '11 minutes'")
        assert again() == expected
    assert reaching.forms(gift) == ["sms", "sms", "sms"]


def test_what_is_left_waiting_is_asked_about_no_more(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    gift = reaching.gift()
    reaching.fails(gift, "30005", "never")

    with people.database.begin() as db:
        assert len(delivery.asked(db, reaching.giver.id)) == 1
        redirecting.let_wait(db, gift_id=gift, giver=reaching.giver)
        assert delivery.asked(db, reaching.giver.id) == []
        assert delivery.progress(db, gift).why == "unknown"
