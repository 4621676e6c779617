"""How far a gift has come: what its giver is told is the furthest it came, and no more than they may know."""

from circulation import delivery, gifting, names, redemption, scheduled
from circulation.delivery import Progress
from circulation.money import Money
from tests.people import People
from tests.reaching import Reaching


def seen(people: People, gift: str) -> Progress:
    with people.database.begin() as db:
        return delivery.progress(db, gift)


def stage(people: People, gift: str) -> str:
    return seen(people, gift).stage


def test_a_gift_goes_from_planned_to_used_and_each_step_is_told(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    noon = "SELECT ((now() AT TIME ZONE 'Africa/Nairobi')::date + time '12:00') AT TIME ZONE 'Africa/Nairobi' - now()"
    ahead = people.value(noon)
    people.database.clock_offset = f"{ahead.total_seconds()} seconds"
    (certificate,) = people.certificates(reaching.giver, 1)
    gift = people.planned_gift(reaching.giver, [certificate], reaching.recipient, "1 days")
    stages = [stage(people, gift)]
    people.database.clock_offset = f"{ahead.total_seconds() + 86_460} seconds"
    with people.database.begin() as db:
        assert scheduled.send(db, reaching.rules, gift_id=gift)
    stages.append(stage(people, gift))
    for state in ("sent", "delivered"):
        reaching.ends(gift, state)
        stages.append(stage(people, gift))
    recipient = people.met(reaching.recipient)
    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=gift, recipient=recipient)
    stages.append(stage(people, gift))
    for minor in (20_000, 30_000):
        with people.database.begin() as db:
            use = f"00000000-0000-4000-8000-0000000{minor}"
            redemption.use(
                db,
                people.rules,
                use_id=use,
                clerk=people.clerk(),
                code=people.code(recipient, certificate),
                amount=Money(minor, "KES"),
            )
        stages.append(stage(people, gift))

    assert stages == ["planned", "queued", "sent", "delivered", "accepted", "used_partly", "used"]
    assert seen(people, gift).used == Money(50_000, "KES")


def test_whether_it_was_used_is_not_told_of_who_lets_givers_see_nothing(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    recipient = people.member("Baraka")
    reaching.recipient = recipient.msisdn
    gift = reaching.gift()
    certificate = people.value("SELECT certificate_id FROM gift_sheet")
    with people.database.begin() as db:
        gifting.accept(db, reaching.rules, gift_id=gift, recipient=recipient)
        names.show(db, recipient, "hidden")
    told = reaching.told()
    code = people.code(recipient, certificate)
    with people.database.begin() as db:
        redemption.use(
            db,
            people.rules,
            use_id="00000000-0000-4000-8000-000000000001",
            clerk=people.clerk(),
            code=code,
            amount=Money(10_000, "KES"),
        )

    assert stage(people, gift) == "accepted"
    assert reaching.told() == told


def test_a_form_that_arrived_counts_more_than_a_later_one_that_did_not(people: People) -> None:
    reaching = Reaching(people)
    gift = reaching.gift(reaching.piece())
    (mms,) = reaching.notices(gift)
    reaching.fails(gift, "30003")
    reaching.ends(gift, "failed", "30003")
    people.run("UPDATE outbox SET state = 'delivered' WHERE id = :id", id=mms.id)

    told = seen(people, gift)

    assert (told.stage, told.form) == ("delivered", "mms")


def test_why_it_could_not_be_delivered_is_told_till_it_arrives_after_all(people: People) -> None:
    reaching = Reaching(people, "sms + twilio")
    gift = reaching.gift()
    reaching.fails(gift, "30003")
    assert (seen(people, gift).stage, seen(people, gift).why) == ("unreached", "off")

    people.run("UPDATE outbox SET state = 'delivered', ended_at = clock()")

    assert seen(people, gift).stage == "delivered"
    with people.database.begin() as db:
        assert delivery.asked(db, reaching.giver.id) == []


def test_a_giver_sees_their_own_gifts_of_thirty_days_newest_first(people: People) -> None:
    reaching, other = Reaching(people), Reaching(people)
    old, first, second = reaching.gift(), reaching.gift(), reaching.gift()
    other.gift()
    people.run("UPDATE gift SET created_at = created_at - interval '31 days' WHERE id = :id", id=old)

    with people.database.begin() as db:
        shown = delivery.given(db, reaching.giver.id)

    assert [gift.gift_id for gift in shown] == [second, first]
