"""The ladder: each form once, the next only when the last did not arrive, and the giver when nothing is left."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from circulation import delivery, gifting, ladder, members, notices, recalling, redirecting
from circulation.email_address import Email
from circulation.refusals import Refusal
from circulation.unreached import ASKED, ASKED_CALL, TOLD
from tests.people import People
from tests.reaching import Reaching

NOON = "SELECT ((now() AT TIME ZONE 'Africa/Nairobi')::date + time '12:00') AT TIME ZONE 'Africa/Nairobi' - now()"


@pytest.fixture
def people(people: People) -> People:
    """At noon, when people may be called."""
    people.database.clock_offset = f"{people.value(NOON).total_seconds()} seconds"
    return people


def later(people: People, **passed: float) -> None:
    ahead = timedelta(seconds=float(people.database.clock_offset.split()[0])) + timedelta(**passed)
    people.database.clock_offset = f"{ahead.total_seconds()} seconds"


def test_a_bare_gift_is_told_by_text_also_where_pictures_are_carried(people: People) -> None:
    reaching = Reaching(people)

    (notice,) = reaching.notices(reaching.gift())

    assert (notice.form, notice.sentence, notice.enclosed) == ("sms", notices.GIFT_WAITS_NO_NOTE, [])


def test_a_packed_gift_is_an_mms_with_what_is_packed(people: People) -> None:
    reaching = Reaching(people)

    (notice,) = reaching.notices(reaching.gift(reaching.piece(), note="Read this"))

    assert (notice.form, notice.sentence) == ("mms", notices.GIFT_WAITS)
    assert len(notice.enclosed) == 1
    assert people.value("SELECT kind FROM media WHERE name = :name", name=notice.enclosed[0]) == "card"


def test_where_no_mms_is_carried_a_packed_gift_is_a_text_with_a_link(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")

    (notice,) = reaching.notices(reaching.gift(reaching.piece()))

    assert (notice.form, notice.sentence) == ("sms", notices.GIFT_WAITS_LINK_NO_NOTE)
    assert notice.holes["link"].startswith(f"{people.rules.public_base_url}/g/")


def test_a_phone_to_which_only_calls_are_carried_is_called(people: People) -> None:
    reaching = Reaching(people, "voice + twilio; sms +1 twilio; sms +254700000 twilio")
    reaching.giver = people.member("Chebet")
    gift = reaching.gift()

    assert reaching.forms(gift) == ["voice"]


def test_mms_then_text_then_call_then_the_giver_is_asked(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())

    reaching.fails(gift, "30011")
    assert reaching.forms(gift) == ["mms", "sms"]
    assert "link" in reaching.notices(gift)[-1].holes
    reaching.fails(gift, "30007")
    assert reaching.forms(gift) == ["mms", "sms", "voice"]
    assert reaching.told() == []
    reaching.fails(gift, "no-answer")

    assert reaching.forms(gift) == ["mms", "sms", "voice"]
    assert reaching.told() == [ASKED_CALL["no_answer"]]


@pytest.mark.parametrize(
    ("code", "action", "forms"),
    [
        ("30019", "smaller", ["mms", "mms", "mms", "sms"]),
        ("30011", "other", ["mms", "sms", "voice"]),
        ("30006", "other", ["mms", "voice"]),  # a landline takes no text either
        ("30005", "never", ["mms"]),  # nor can a number be called that is not in use
        ("21610", "opted_out", ["mms"]),
        ("a code we do not know", "opted_out", ["mms"]),
    ],
)
def test_the_form_that_follows_fits_what_went_wrong(people: People, code: str, action: str, forms: list[str]) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())

    for _ in forms[1:]:
        reaching.fails(gift, code, action)

    assert reaching.forms(gift) == forms


def test_an_mms_that_is_too_large_goes_again_with_smaller_pictures(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())

    reaching.fails(gift, "30019", "smaller")

    rungs = [
        people.value("SELECT rung FROM media WHERE name = :name", name=notice.enclosed[0])
        for notice in reaching.notices(gift)
    ]
    assert rungs == [0, 1]


def test_media_that_cannot_be_fetched_are_followed_by_the_words_alone(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())

    reaching.fails(gift, "21620", "plain")

    assert reaching.notices(gift)[-1].sentence == notices.GIFT_WAITS_NO_NOTE


def test_who_wants_no_texts_is_not_called_either_and_the_giver_is_told(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()

    reaching.fails(gift, "opted_out", "opted_out")

    assert reaching.forms(gift) == ["sms"]
    assert reaching.told() in ([ASKED["opted_out"]], [ASKED_CALL["opted_out"]])


def test_a_call_that_nobody_took_is_followed_by_a_text_when_none_was_sent(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    reaching.fails(gift, "30006")  # the MMS cannot be carried there
    people.run("UPDATE outbox SET error_code = '30011' WHERE gift_id = :gift AND form = 'mms'", gift=gift)

    reaching.fails(gift, "machine")

    assert reaching.forms(gift) == ["mms", "voice", "sms"]


def test_at_night_a_recipient_is_called_the_next_morning_unless_they_answered(people: People) -> None:
    later(people, hours=10)
    reaching = Reaching(people)
    first, second = reaching.gift(), reaching.gift()
    for gift in (first, second):
        reaching.fails(gift, "30006")
        assert reaching.forms(gift) == ["sms"]
    with people.database.begin() as db:
        assert delivery.progress(db, first).stage == "to_call"
        assert ladder.to_call(db, limit=9) == []
        gifting.decline(db, reaching.rules, gift_id=second, recipient=people.met(reaching.recipient))

    later(people, hours=12)
    with people.database.begin() as db:
        due = ladder.to_call(db, limit=9)
        for gift in [*due, second]:
            ladder.call_now(db, reaching.rules, gift_id=gift)

    assert due == [first]
    assert reaching.forms(first) == ["sms", "voice"]
    assert reaching.forms(second) == ["sms"]


def test_what_was_answered_taken_back_or_lapsed_goes_no_further(people: People) -> None:
    reaching = Reaching(people)
    accepted, recalled, lapsed = (reaching.gift() for _ in range(3))
    recipient = people.met(reaching.recipient)
    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=accepted, recipient=recipient)
        recalling.recall(db, reaching.rules, gift_id=recalled, giver=reaching.giver, receipt=False)
    people.run("UPDATE gift SET lapses_at = clock() WHERE id = :id", id=lapsed)
    told = len(reaching.told())

    for gift in (accepted, recalled, lapsed):
        reaching.fails(gift, "30006")

    assert [reaching.forms(gift) for gift in (accepted, recalled, lapsed)] == [["sms"]] * 3
    assert len(reaching.told()) == told


def test_what_is_true_no_more_when_it_would_leave_does_not_leave(people: People) -> None:
    reaching = Reaching(people)
    waiting, accepted, recalled, elsewhere, late = (reaching.gift() for _ in range(5))
    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=accepted, recipient=people.met(reaching.recipient))
        recalling.recall(db, reaching.rules, gift_id=recalled, giver=reaching.giver, receipt=False)
    with people.database.begin() as db:
        to = people.number()
        redirecting.redirect(db, reaching.rules, gift_id=elsewhere, giver=reaching.giver, recipient=to, receipt=False)
    people.run("UPDATE gift SET lapses_at = clock() WHERE id = :id", id=late)
    every = {gift: reaching.notices(gift) for gift in (waiting, accepted, recalled, elsewhere, late)}

    with people.database.begin() as db:
        over = ladder.over(db, [notice for filed in every.values() for notice in filed])

    left = {gift: [notice.address for notice in filed if notice.id not in over] for gift, filed in every.items()}
    none: list[str] = []
    assert left == {
        waiting: [reaching.recipient.e164],
        accepted: none,
        recalled: none,
        elsewhere: [to.e164],
        late: none,
    }


def test_a_failure_that_is_followed_twice_is_followed_once(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    failed = reaching.fails(gift, "30011")

    reaching.descend(failed)
    reaching.ends(gift, "delivered")
    reaching.descend(failed)

    assert reaching.forms(gift) == ["mms", "sms"]
    assert reaching.told() == []


def test_a_call_the_giver_asked_for_and_nobody_took_is_told_also_when_the_text_arrived(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    reaching.ends(gift, "delivered")
    with people.database.begin() as db:
        redirecting.call(db, reaching.rules, gift_id=gift, giver=reaching.giver)

    reaching.fails(gift, "busy")

    assert reaching.forms(gift) == ["mms", "voice"]
    assert reaching.told() == [ASKED_CALL["no_answer"]]
    with people.database.begin() as db:
        assert [(one.stage, one.why) for one in delivery.asked(db, reaching.giver.id)] == [("delivered", "no_answer")]


def test_of_a_mail_that_came_back_the_giver_is_told_and_asked(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift()
    with people.database.begin() as db:
        to = Email("carol@example.org")
        redirecting.redirect(db, reaching.rules, gift_id=gift, giver=reaching.giver, recipient=to, receipt=False)

    reaching.fails(gift, "5.1.1", "never")

    assert reaching.told() == [ASKED["mail"]]
    with people.database.begin() as db:
        assert delivery.progress(db, gift).recipient == Email("carol@example.org")


def test_a_group_gift_that_cannot_be_delivered_is_told_of_and_not_the_organisers_to_send_elsewhere(
    people: People,
) -> None:
    reaching = Reaching(people, "sms + twilio")
    gift = reaching.gift()
    made = """
        INSERT INTO group_gift (id, number, reference, organiser_id, recipient_id, denomination_id, worth_minor, fee_minor,
            currency, note, parts, part_minor, state, gift_id, closes_at, closed_at)
        SELECT gen_random_uuid(), '482913', 'ABCDEFGH', g.giver_id, g.recipient_id, 1, 50000, 0, 'KES', '', 2, 25000, 'given',
            g.id, clock(), clock() FROM gift g WHERE g.id = :gift RETURNING id"""
    group = people.value(made, gift=gift)
    other = people.member("Baraka")
    part = """
        INSERT INTO group_part (id, group_id, place, giver_id, reference, amount_minor, currency, state, paid_at)
        VALUES (gen_random_uuid(), :group, 1, :giver, 'HGFEDCBA', 25000, 'KES', 'paid', clock())"""
    people.run(part, group=group, giver=other.id)

    reaching.fails(gift, "30005", "never")

    assert reaching.told() == [TOLD["unknown"]]
    with people.database.begin() as db:
        assert delivery.asked(db, reaching.giver.id) == []
    with pytest.raises(Refusal, match="gift_shared"), people.database.begin() as db:
        redirecting.redirect(
            db, reaching.rules, gift_id=gift, giver=reaching.giver, recipient=people.number(), receipt=False
        )


def test_an_accepted_gift_is_followed_by_its_card_and_a_barcode_for_each_sheet(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    recipient = people.met(reaching.recipient)

    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=gift, recipient=recipient)

    enclosed = people.value("SELECT enclosed FROM outbox WHERE sentence = :yours", yours=notices.GIFT_YOURS)
    kinds = [people.value("SELECT kind FROM media WHERE name = :name", name=name) for name in enclosed]
    assert kinds == ["card", "barcode"]


def test_where_the_mms_did_not_arrive_no_other_follows_the_acceptance(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    reaching.fails(gift, "30011")

    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=gift, recipient=people.met(reaching.recipient))

    assert notices.GIFT_YOURS not in [text.sentence for text in people.texts(reaching.recipient)]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_in_whatever_order_a_gift_is_one_thing_and_the_giver_has_the_last_word(
    people: People, seed: int
) -> None:
    """Receipts, failures, answers, recalls and other numbers at random: told is what is true, and each form goes once."""
    chance = random.Random(seed)
    reaching = Reaching(people)
    reaching.rules = replace(reaching.rules, gifts_a_day=1_000)
    for _ in range(6):
        gift = reaching.gift(*([reaching.piece()] if chance.random() < 0.5 else []))
        for _ in range(10):
            _something_happens(people, reaching, gift, chance)
            _the_truth_is_told(people, reaching, gift)
    assert people.books_in_order()


def _something_happens(people: People, reaching: Reaching, gift: str, chance: random.Random) -> None:
    recipient_id = people.value("SELECT recipient_id FROM gift WHERE id = :id", id=gift)
    kind = chance.choice(
        ["delivered", "fails", "fails", "fails", "accept", "decline", "recall", "redirect", "call", "text"]
    )
    failed = chance.choice(reaching.notices(gift))
    codes = [("30011", "other"), ("30006", "other"), ("30003", "other"), ("30005", "never"), ("30019", "smaller")]
    code, action = chance.choice(codes)
    try:
        with people.database.begin() as db:
            rules, giver = reaching.rules, reaching.giver
            match kind:
                case "accept" | "decline":
                    answer = gifting.accept if kind == "accept" else gifting.decline
                    answer(db, rules, gift_id=gift, recipient=members.get(db, recipient_id))
                case "recall":
                    recalling.recall(db, rules, gift_id=gift, giver=giver, receipt=False)
                case "redirect":
                    to = people.number()
                    redirecting.redirect(db, rules, gift_id=gift, giver=giver, recipient=to, receipt=False)
                case "call":
                    redirecting.call(db, rules, gift_id=gift, giver=giver)
                case "text":
                    redirecting.text_again(db, rules, gift_id=gift, giver=giver)
    except Refusal:
        return
    if kind == "delivered" and failed.state == "queued":
        people.run("UPDATE outbox SET state = 'delivered', ended_at = clock() WHERE id = :id", id=failed.id)
    if kind == "fails" and failed.state == "queued":
        end = "UPDATE outbox SET state = 'undelivered', error_code = :code WHERE id = :id"
        people.run(end, code=code if failed.form != "voice" else "busy", id=failed.id)
        reaching.descend(failed, action)


def _the_truth_is_told(people: People, reaching: Reaching, gift: str) -> None:
    state, sent_at, unreached, asked = people.rows(
        "SELECT state, sent_at, unreached, giver_asked_at FROM gift WHERE id = :id", id=gift
    )[0]
    with people.database.begin() as db:
        told = delivery.progress(db, gift)
        asked_of = [one.gift_id for one in delivery.asked(db, reaching.giver.id)]
    arrived = people.value(
        "SELECT count(*) FROM outbox WHERE gift_id = :id AND created_at >= :since AND state = 'delivered'",
        id=gift,
        since=sent_at,
    )
    if state != "offered":
        assert told.stage == state
        assert gift not in asked_of
    elif arrived:
        assert told.stage == "delivered"
        assert gift not in asked_of or told.why is not None
    elif unreached:
        assert (told.stage, told.why) == ("unreached", unreached)
        assert (gift in asked_of) == (asked is not None)
    else:
        assert told.stage in ("queued", "sent", "to_call")
    forms = "SELECT form, count(*) FROM outbox WHERE gift_id = :id AND created_at >= :since GROUP BY form"
    counts = dict(people.rows(forms, id=gift, since=sent_at))
    assert counts.get("voice", 0) <= ladder.MOST_CALLS
    assert counts.get("mms", 0) <= 1 + ladder.SMALLEST
    assert counts.get("sms", 0) <= redirecting.MOST_TEXTS
