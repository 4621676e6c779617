"""Gifts to an e-mail address: what its reader may do on the page, and what giver, phone and books learn of it."""

from threading import Barrier, Thread

import pytest
from sqlalchemy import text

from bot.chores import Chores
from bot.config import Settings
from circulation import emailed, gifting, mailing, notices, recalling, scheduled, wallet
from circulation.email_address import Email
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.unreached import ASKED
from storage.roles import Role
from tests.mailbox import by_mail
from tests.people import People
from tests.tills import Till

CAROL = Email("carol@example.org")


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """E-mail is carried as well as texts."""
    return plain_settings.model_copy(update=by_mail("smtp://127.0.0.1:1"))


@pytest.fixture
def amina(people: People) -> Member:
    return people.member("Amina")


def mailed(people: People, giver: Member, note: str = "") -> str:
    """A gift of KES 500 to Carol's address; its id."""
    return people.gift(giver, people.certificate(giver), CAROL, note)


def mails(people: People) -> list[str]:
    """The sentences of the mails to Carol, oldest first."""
    rows = people.rows("SELECT sentence FROM outbox WHERE form = 'email' AND address = 'carol@example.org' ORDER BY id")
    return [row.sentence for row in rows]


def hand(people: People, gift: str, phone: Msisdn) -> None:
    with people.database.begin() as db:
        emailed.hand_to(db, people.rules, gift_id=gift, msisdn=phone)


def decline(people: People, gift: str) -> None:
    with people.database.begin() as db:
        emailed.decline(db, people.rules, gift_id=gift)


def state(people: People, gift: str) -> str:
    return str(people.value("SELECT state FROM gift WHERE id = :id", id=gift))


def test_the_mail_goes_out_with_a_page_a_card_and_the_words_and_the_value_waits(people: People, amina: Member) -> None:
    gift = mailed(people, amina, "Happy birthday!")
    row = people.rows("SELECT * FROM outbox WHERE form = 'email'")[0]
    assert (row.provider, row.address, row.purpose, row.gift_id) == ("smtp", CAROL.address, "gift", row.gift_id)
    assert (row.sentence, row.holes["note"]) == (mailing.GIFT, "Happy birthday!")
    kinds = "SELECT kind FROM media WHERE name = ANY(:names) ORDER BY kind"
    assert [one.kind for one in people.rows(kinds, names=row.enclosed)] == ["card", "page"]
    assert row.holes["link"].startswith(f"{people.rules.public_base_url}/g/")
    assert people.owed("2110", gift) == 50_000


def test_the_phone_that_was_named_accepts_and_the_giver_hears_of_the_address(people: People, amina: Member) -> None:
    gift, phone = mailed(people, amina), people.number()
    hand(people, gift, phone)
    hand(people, gift, phone)
    assert [one.sentence for one in people.texts(phone)] == [notices.GIFT_WAITS_NO_NOTE]
    people.accept(gift, people.met(phone))
    told = people.texts(amina.msisdn)[-1]
    assert (told.sentence, told.holes["recipient"]) == (notices.GIFT_ACCEPTED, {"email": CAROL.address})
    with people.database.begin() as db:
        assert [one.balance.amount_minor for one in wallet.held(db, people.met(phone).id)] == [50_000]
        assert [event.who for event in wallet.gifts(db, amina.id)] == [CAROL]
    assert people.books_in_order()


def test_who_named_the_wrong_phone_names_another_once_and_the_first_is_told(people: People, amina: Member) -> None:
    gift, wrong, right, third = mailed(people, amina), people.number(), people.number(), people.number()
    hand(people, gift, wrong)
    hand(people, gift, right)
    assert [one.sentence for one in people.texts(wrong)] == [notices.GIFT_WAITS_NO_NOTE, notices.GIFT_NOT_HERE]
    with pytest.raises(Refusal, match="gift_answered"):
        people.accept(gift, people.met(wrong))
    with pytest.raises(Refusal, match="named_enough"):
        hand(people, gift, third)
    people.accept(gift, people.met(right))
    with pytest.raises(Refusal, match="gift_answered"):
        hand(people, gift, third)
    assert people.texts(third) == []


@pytest.mark.parametrize("named", [False, True])
def test_who_refuses_by_mail_sends_it_back_to_the_giver_who_is_told(people: People, amina: Member, named: bool) -> None:
    gift, phone = mailed(people, amina), people.number()
    if named:
        hand(people, gift, phone)
    decline(people, gift)
    decline(people, gift)
    told = people.texts(amina.msisdn)[-1]
    assert (told.sentence, told.holes["recipient"]) == (notices.GIFT_DECLINED, {"email": CAROL.address})
    assert [one.sentence for one in people.texts(phone)][1:] == ([notices.GIFT_NOT_HERE] if named else [])
    assert (state(people, gift), people.owed("2110", gift)) == ("declined", 0)
    assert people.books_in_order()


def test_the_givers_own_phone_and_one_we_cannot_reach_are_refused(people: People, amina: Member) -> None:
    gift = mailed(people, amina)
    with pytest.raises(Refusal, match="givers_number"):
        hand(people, gift, amina.msisdn)
    with pytest.raises(Refusal, match="country_not_served"):
        hand(people, gift, Msisdn("+12025550123"))
    assert people.value("SELECT times_named FROM gift WHERE id = :id", id=gift) == 0


def test_a_gift_nobody_answered_lapses_and_one_taken_back_is_told_by_mail(people: People, amina: Member) -> None:
    lapsed, recalled = mailed(people, amina), mailed(people, amina)
    people.run("UPDATE gift SET lapses_at = clock() WHERE id = :id", id=lapsed)
    with pytest.raises(Refusal, match="gift_lapsed"):
        decline(people, lapsed)
    with people.database.begin() as db:
        assert [one.recipient for one in recalling.unanswered(db, amina.id)] == [CAROL, CAROL]
        gifting.lapse(db, people.rules, gift_id=lapsed)
        recalling.recall(db, people.rules, gift_id=recalled, giver=amina, receipt=True)
    with pytest.raises(Refusal, match="gift_recalled"):
        hand(people, recalled, people.number())
    assert mails(people) == [mailing.GIFT_NO_NOTE, mailing.GIFT_NO_NOTE, mailing.RECALLED]
    assert [one.holes["recipient"] for one in people.texts(amina.msisdn)[-2:]] == [{"email": CAROL.address}] * 2
    assert people.books_in_order()


def test_a_planned_mail_leaves_on_its_day_and_not_before(people: People, amina: Member) -> None:
    gift = people.planned_gift(amina, people.certificates(amina), CAROL)
    assert mails(people) == []
    people.run("UPDATE gift SET sends_at = date_trunc('day', clock()) - interval '12 hours' WHERE id = :id", id=gift)
    people.database.clock_offset = str(people.value("SELECT date_trunc('day', now()) + interval '33 hours' - now()"))
    with people.database.begin() as db:
        assert scheduled.send(db, people.rules, gift_id=gift)
    assert mails(people) == [mailing.GIFT]
    assert people.texts(amina.msisdn)[-1].holes["recipient"] == {"email": CAROL.address}


def test_of_a_refusal_by_mail_and_an_acceptance_by_phone_at_once_exactly_one_wins(
    people: People, amina: Member
) -> None:
    for _ in range(5):
        gift, phone = mailed(people, amina), people.number()
        hand(people, gift, phone)
        begin, outcomes = Barrier(2), list[str]()

        def attempt(answer: str) -> None:
            begin.wait()  # noqa: B023 - the thread ends within this round
            try:
                decline(people, gift) if answer == "declined" else people.accept(gift, people.met(phone))  # noqa: B023
                outcomes.append(answer)  # noqa: B023
            except Refusal:
                pass

        threads = [Thread(target=attempt, args=[answer]) for answer in ("declined", "accepted")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [state(people, gift)]
    assert people.books_in_order()


def test_the_giver_is_told_of_the_address_when_the_gift_is_used(people: People, amina: Member) -> None:
    gift, phone = mailed(people, amina), people.number()
    hand(people, gift, phone)
    people.accept(gift, people.met(phone))
    with people.database.begin() as db:
        certificate = db.execute(text("SELECT certificate_id FROM gift_sheet WHERE gift_id = :id"), {"id": gift})
        code = people.code(people.met(phone), int(certificate.scalar_one()))
    Till.at(people).use(code, 50_000)
    told = people.texts(amina.msisdn)[-1]
    assert (told.sentence, told.holes["recipient"]) == (notices.GIFT_USED, {"email": CAROL.address})


def test_when_the_mail_comes_back_the_giver_is_told_and_the_gift_still_waits(people: People, amina: Member) -> None:
    gift = mailed(people, amina)
    people.run("UPDATE outbox SET state = 'undelivered', error_code = '5.1.1' WHERE form = 'email'")
    chores = Chores(people.services.database.as_role(Role.WORKER), people.rules, conversation_seconds=60)
    assert (chores.follow_up(), chores.follow_up()) == (1, 0)
    told = people.texts(amina.msisdn)[-1]
    assert (told.sentence, told.holes["recipient"]) == (ASKED["mail"], {"email": CAROL.address})
    assert (mails(people), state(people, gift)) == ([mailing.GIFT_NO_NOTE], "offered")


def test_a_mail_that_came_back_after_a_phone_was_named_is_nobodys_worry(people: People, amina: Member) -> None:
    gift = mailed(people, amina)
    hand(people, gift, people.number())
    people.run("UPDATE outbox SET state = 'undelivered', error_code = '5.1.1' WHERE form = 'email'")
    chores = Chores(people.services.database.as_role(Role.WORKER), people.rules, conversation_seconds=60)
    chores.follow_up()
    assert people.texts(amina.msisdn) == []
