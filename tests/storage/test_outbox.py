"""The outbox: who holds a row may mark it, receipts only move it forward, and secrets do not stay."""

import threading
import time
from collections.abc import Iterator
from itertools import cycle, permutations
from typing import Any

import pytest
from sqlalchemy import text

from bot.messages import Receipt
from storage import outbox
from storage.database import Database
from storage.outbox import Claimed, Row
from storage.roles import Role

PHONE = "+254712345678"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's own database, as the worker has it."""
    database = Database(database_url, role=Role.WORKER)
    yield database
    database.close()


def row(
    sentence: str = "Hello {name}.",
    *,
    phone: str = PHONE,
    secret: bool = False,
    provider: str = "twilio",
    form: str = "sms",
) -> Row:
    holes = {"name": "Asha \"' 🎁", "amount": {"money": [500, "KES"]}}
    return Row(provider, phone, "sw", sentence, holes, secret, form)


def put(database: Database, *rows: Row) -> None:
    with database.begin() as db:
        outbox.put(db, rows)


def claim(database: Database, batch: int = 100, lease_seconds: float = 60) -> list[Claimed]:
    with database.begin() as db:
        return outbox.claim(
            db, providers=["twilio", "africastalking", "somebody"], batch=batch, lease_seconds=lease_seconds
        )


def claimed_row(database: Database, **kind: Any) -> Claimed:
    put(database, row(**kind))
    (claimed,) = claim(database)
    return claimed


def facts(database: Database, number: int) -> Any:
    with database.begin() as db:
        return db.execute(text("SELECT * FROM outbox WHERE id = :id"), {"id": number}).one()


def pass_time(database: Database, seconds: int) -> None:
    """Let everything that waits come due so much sooner."""
    with database.begin() as db:
        db.execute(text("UPDATE outbox SET due_at = due_at - make_interval(secs => :s)"), {"s": seconds})


def mark_sent(database: Database, claimed: Claimed, provider_id: str = "SM1") -> int:
    with database.begin() as db:
        return outbox.sent(db, [(claimed.id, claimed.attempt, provider_id)])


def report(database: Database, state: str, *, number: int = 0, provider_id: str = "SM1", code: str = "") -> bool:
    with database.begin() as db:
        return outbox.record_receipt(db, Receipt("twilio", provider_id, number, state, code))  # type: ignore[arg-type]


def test_what_is_put_is_claimed_in_the_same_order_and_unchanged(database: Database) -> None:
    put(database)
    put(database, *(row(f"Sentence {n}: {{name}} :colon %s") for n in range(50)))
    claimed = claim(database)
    assert [c.sentence for c in claimed] == [f"Sentence {n}: {{name}} :colon %s" for n in range(50)]
    assert [c.id for c in claimed] == sorted(c.id for c in claimed)
    first = claimed[0]
    assert (first.provider, first.address, first.language, first.attempt, first.again) == (
        "twilio",
        PHONE,
        "sw",
        1,
        False,
    )
    assert first.holes == row().holes


def test_a_rolled_back_cause_leaves_nothing_to_send(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.begin() as db:
        outbox.put(db, [row()])
        raise ZeroDivisionError
    assert claim(database) == []


def test_a_claimed_row_is_not_claimed_again_while_its_lease_runs(database: Database) -> None:
    put(database, row(), row())
    assert len(claim(database, batch=1)) == 1
    assert claim(database) == []


def test_a_row_whose_lease_ended_is_claimed_again_and_says_so(database: Database) -> None:
    lost = claimed_row(database)
    pass_time(database, 61)
    (found,) = claim(database)
    assert (found.id, found.attempt, found.again) == (lost.id, 2, True)


def test_a_row_whose_lease_ended_is_no_longer_its_first_holders_to_mark(database: Database) -> None:
    lost = claimed_row(database)
    pass_time(database, 61)
    (found,) = claim(database)
    with database.begin() as db:
        assert outbox.sent(db, [(lost.id, lost.attempt, "SM1")]) == 0
        assert outbox.retry(db, [(lost.id, lost.attempt, 5, "x", False)]) == 0
        assert outbox.release(db, [(lost.id, lost.attempt, 5)]) == 0
        assert outbox.failed(db, [(lost.id, lost.attempt, "x")]) == 0
    assert facts(database, lost.id).state == "claimed"
    assert mark_sent(database, found) == 1


def test_four_workers_at_once_never_share_a_row(database: Database) -> None:
    put(database, *(row(phone=f"+2547123456{n % 40:02}") for n in range(400)))
    taken: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        while len(taken) < 400:
            claimed = claim(database, batch=7)
            taken.extend(c.id for c in claimed)
            with database.begin() as db:
                outbox.sent(db, [(c.id, c.attempt, "") for c in claimed])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == len(set(taken)) == 400


def test_a_row_that_another_worker_is_just_claiming_is_passed_over(database: Database) -> None:
    put(database, row("first"), row("to somebody else", phone="+254700000009"))
    with database.begin() as db:
        (first,) = outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)
        (second,) = claim(database)
    assert (first.sentence, second.sentence) == ("first", "to somebody else")


def test_a_later_text_is_not_taken_while_another_worker_takes_an_earlier_one(database: Database) -> None:
    put(database, row("first"), row("second"))
    with database.begin() as db:
        assert len(outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)) == 1
        assert claim(database) == [], "the first is being claimed"
    assert claim(database) == [], "the first is claimed, and not yet sent"
    pass_time(database, 61)
    (lost,) = claim(database)
    assert lost.sentence == "first", "who had it is lost"
    mark_sent(database, lost)
    assert [c.sentence for c in claim(database)] == ["second"]


def test_a_text_that_waits_to_be_tried_again_holds_up_none_that_is_filed_later(database: Database) -> None:
    held_up = claimed_row(database)
    with database.begin() as db:
        outbox.retry(db, [(held_up.id, held_up.attempt, 3600, "99999", False)])
    put(database, row("an answer"))
    assert [c.sentence for c in claim(database)] == ["an answer"]


def test_many_texts_of_one_phone_in_hand_do_not_stop_those_to_others(database: Database) -> None:
    put(database, *(row(f"text {n}") for n in range(30)), row("to somebody else", phone="+254700000009"))
    assert len(claim(database, batch=10)) == 10
    assert [c.sentence for c in claim(database, batch=10)] == ["to somebody else"]


def test_rows_are_marked_in_batches(database: Database) -> None:
    put(database, *(row() for _ in range(30)))
    claimed = claim(database)
    with database.begin() as db:
        assert outbox.sent(db, [(c.id, c.attempt, f"SM{c.id}") for c in claimed]) == 30
        assert outbox.sent(db, []) == 0
    assert {facts(database, c.id).provider_id for c in claimed} == {f"SM{c.id}" for c in claimed}


def test_a_row_to_be_tried_again_waits_as_long_as_it_was_told(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        assert outbox.retry(db, [(claimed.id, claimed.attempt, 30.5, "429", False)]) == 1
    assert facts(database, claimed.id).error_code == "429"
    assert claim(database) == []
    pass_time(database, 31)
    (found,) = claim(database)
    assert (found.attempt, found.again) == (2, False)


def test_a_row_given_back_untried_has_used_no_attempt(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        assert outbox.release(db, [(claimed.id, claimed.attempt, 0)]) == 1
    assert [c.attempt for c in claim(database)] == [1]


def test_a_failed_row_is_never_claimed_again(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        assert outbox.failed(db, [(claimed.id, claimed.attempt, "21211")]) == 1
    pass_time(database, 100_000)
    assert claim(database) == []
    assert facts(database, claimed.id).error_code == "21211"


@pytest.mark.parametrize("end", ["sent", "failed", "receipt"])
def test_a_secret_does_not_stay_once_it_was_sent_or_cannot_be(database: Database, end: str) -> None:
    claimed = claimed_row(database, sentence="Code {name}", secret=True)
    assert facts(database, claimed.id).sentence == "Code {name}"
    with database.begin() as db:
        match end:
            case "sent":
                outbox.sent(db, [(claimed.id, claimed.attempt, "SM1")])
            case "failed":
                outbox.failed(db, [(claimed.id, claimed.attempt, "21211")])
            case "receipt":
                outbox.record_receipt(db, Receipt("twilio", "SM1", claimed.id, "sent"))
    after = facts(database, claimed.id)
    assert (after.sentence, after.holes) == ("", {})


def test_a_secret_stays_while_it_must_still_be_sent(database: Database) -> None:
    claimed = claimed_row(database, secret=True)
    with database.begin() as db:
        outbox.retry(db, [(claimed.id, claimed.attempt, 0, "429", False)])
    assert claim(database)[0].holes == row().holes


@pytest.mark.parametrize("by_row", [True, False])
def test_receipts_in_any_order_end_at_the_furthest(database: Database, by_row: bool) -> None:
    forms = cycle(["sms", "mms", "voice", "email"])
    for furthest, told in (
        ("delivered", ["sent", "failed", "undelivered", "delivered"]),
        ("undelivered", ["sent", "failed", "undelivered"]),
    ):
        for order in permutations(told):
            claimed = claimed_row(database, form=next(forms))
            name = f"SM{claimed.id}"
            mark_sent(database, claimed, name)
            for state in order:
                report(database, state, number=claimed.id if by_row else 0, provider_id=name, code=state)
            after = facts(database, claimed.id)
            assert (after.state, after.error_code, after.ended_at is None) == (furthest, furthest, False)


def test_a_receipt_never_takes_a_row_back(database: Database) -> None:
    claimed = claimed_row(database)
    mark_sent(database, claimed)
    assert report(database, "delivered")
    assert not report(database, "sent")
    assert not report(database, "failed", code="30008")
    after = facts(database, claimed.id)
    assert (after.state, after.error_code) == ("delivered", "")


def test_a_failure_is_reported_with_its_code(database: Database) -> None:
    claimed = claimed_row(database)
    mark_sent(database, claimed)
    assert report(database, "failed", number=claimed.id, code="30005")
    after = facts(database, claimed.id)
    assert (after.state, after.error_code) == ("failed", "30005")


@pytest.mark.parametrize("by_row", [True, False])
def test_a_receipt_that_comes_before_the_send_is_stored_is_not_lost(database: Database, by_row: bool) -> None:
    claimed = claimed_row(database)
    report(database, "delivered", number=claimed.id if by_row else 0)
    assert mark_sent(database, claimed) == 1
    after = facts(database, claimed.id)
    assert (after.state, after.provider_id) == ("delivered", "SM1")
    assert after.sent_at is not None


def test_a_receipt_settles_a_send_whose_answer_was_lost(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        outbox.retry(db, [(claimed.id, claimed.attempt, 5, "ReadTimeout", True)])
    assert report(database, "sent", number=claimed.id)
    pass_time(database, 100_000)
    assert claim(database) == [], "it has been sent; sending it again would be a second text"


def test_bad_news_of_an_earlier_attempt_does_not_end_a_later_one(database: Database) -> None:
    first = claimed_row(database)
    with database.begin() as db:
        outbox.retry(db, [(first.id, first.attempt, 0, "ReadTimeout", True)])
    (second,) = claim(database)
    mark_sent(database, second, "SM2")
    assert not report(database, "failed", number=first.id, provider_id="SM1")
    assert facts(database, first.id).state == "sent"
    assert report(database, "delivered", number=first.id, provider_id="SM1")


def test_every_receipt_is_kept_whatever_it_changes(database: Database) -> None:
    claimed = claimed_row(database)
    mark_sent(database, claimed)
    for state in ("delivered", "sent", "delivered"):
        report(database, state)
    report(database, "delivered", provider_id="nobody knows it")
    report(database, "delivered", number=999_999_999_999_999_999)
    with database.begin() as db:
        states = db.execute(text("SELECT state FROM receipt ORDER BY id")).scalars().all()
    assert states == ["delivered", "sent", "delivered", "delivered", "delivered"]


def test_another_providers_receipt_moves_nothing(database: Database) -> None:
    claimed = claimed_row(database, provider="africastalking")
    mark_sent(database, claimed)
    assert not report(database, "delivered", number=claimed.id)
    assert facts(database, claimed.id).state == "sent"


def test_a_provider_that_gives_one_name_twice_stops_nothing(database: Database) -> None:
    earlier = claimed_row(database)
    mark_sent(database, earlier, "SM1")
    put(database, row(), row(), row())
    claimed = claim(database)
    with database.begin() as db:
        marks = [(c.id, c.attempt, name) for c, name in zip(claimed, ("SM1", "SM2", "SM2"), strict=True)]
        assert outbox.sent(db, marks) == 3
    assert [facts(database, c.id).provider_id for c in claimed] == [None, "SM2", None]
    assert {facts(database, c.id).state for c in claimed} == {"sent"}


def test_a_text_that_got_no_name_is_sent_all_the_same(database: Database) -> None:
    claimed = claimed_row(database)
    assert mark_sent(database, claimed, "") == 1
    after = facts(database, claimed.id)
    assert (after.state, after.provider_id) == ("sent", None)


def test_a_row_that_is_passed_on_belongs_to_the_next_provider(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        assert outbox.pass_on(db, [(claimed.id, claimed.attempt, "africastalking")]) == 1
        assert outbox.pass_on(db, [(claimed.id, claimed.attempt, "africastalking")]) == 0
    assert not report(database, "delivered", number=claimed.id), "what the first one says of it no longer counts"
    (again,) = claim(database)
    assert (again.provider, again.passed, again.attempt) == ("africastalking", ["twilio"], 2)


def test_what_may_have_been_sent_says_since_when(database: Database) -> None:
    claimed = claimed_row(database)
    with database.begin() as db:
        outbox.retry(db, [(claimed.id, claimed.attempt, 0, "ReadTimeout", True)])
    (first,) = claim(database)
    with database.begin() as db:
        outbox.retry(db, [(first.id, first.attempt, 0, "look_up", True)])
    (second,) = claim(database)
    assert first.asked_at is not None and second.asked_at == first.asked_at
    with database.begin() as db:
        outbox.retry(db, [(second.id, second.attempt, 0, "500", False)])
    assert claim(database)[0].asked_at is None, "it was looked up, and was not there"


def test_a_lost_workers_row_may_have_been_sent_since_it_was_claimed(database: Database) -> None:
    before = time.time()
    claimed_row(database)
    pass_time(database, 61)
    (again,) = claim(database)
    assert again.asked_at is not None and before - 62 < again.asked_at < time.time() - 60
