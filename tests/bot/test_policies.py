"""Every row of every provider's table: what follows when a send is refused with that code, and when it is told later."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from bot import embedded
from bot.app import build_services
from bot.config import Settings
from bot.messages import Receipt
from circulation import delivery_codes, following
from circulation.delivery_codes import Action
from circulation.rules import Rules
from storage import outbox
from storage.database import Database
from tests.conftest import copied
from tests.fakes.providers import Answer, FakeProviders, africastalking_code, twilio_error
from tests.people import BUSINESS
from tests.post import Post

ROWS = [(provider, code, action) for provider, table in delivery_codes.TABLES.items() for code, action in table.items()]
UNKNOWN: list[tuple[str, str, Action]] = [("twilio", "99999", "later"), ("africastalking", "999", "later")]
NUMBERS = count(712_000_000)


@pytest.fixture(scope="module")
def shared(servers: embedded.Servers, template: str) -> Iterator[Post]:
    """One database and one pair of providers for all rows; each test has a phone of its own."""
    with copied(servers, template) as url, FakeProviders() as providers:
        database = Database(url, role=BUSINESS)
        yield Post(database, providers)
        database.close()


@pytest.fixture(scope="module")
def rules(shared: Post, servers: embedded.Servers) -> Rules:
    """The rules of development."""
    settings = Settings(
        giftline_mode="development",
        database_url=shared.database.url,
        redis_url=servers.redis_url,
        routes="",
        smtp_url="",
    )
    return build_services(settings).talk.rules


@pytest.fixture
def phone() -> str:
    """A phone that nobody else has."""
    return f"+254{next(NUMBERS)}"


def answer(provider: str, code: str) -> Answer | None:
    """How the provider says so when it is asked to send; None when it says so only later."""
    if provider == "twilio":
        return twilio_error(int(code)) if code.isdigit() else None
    if provider != "africastalking":
        return None
    if code.startswith("http_"):
        return Answer(int(code.removeprefix("http_")), "no")
    if code.isdigit():
        return africastalking_code(int(code))
    refused_whole = code in ("InvalidSenderId", "InsufficientBalance")
    return Answer(201, {"SMSMessageData": {"Message": code, "Recipients": []}}) if refused_whole else None


def rows(post: Post, phone: str) -> list[Any]:
    query = """SELECT id, provider, state, error_code, repeats, sentence, followed_at,
                      extract(epoch FROM due_at - now())::float AS wait
               FROM outbox WHERE address = :phone ORDER BY id"""
    with post.database.begin() as db:
        return list(db.execute(text(query), {"phone": phone}))


def follow_up(post: Post, rules: Rules) -> None:
    with post.database.begin() as db:
        for row in following.due(db, limit=100):
            following.follow(db, rules, row)


def one(post: Post, query: str, **values: object) -> Any:
    with post.database.begin() as db:
        return db.execute(text(query), values).scalar()


@pytest.mark.parametrize(
    ("provider", "code", "action"), [row for row in [*ROWS, *UNKNOWN] if answer(row[0], row[1]) is not None]
)
def test_a_send_that_is_refused(
    shared: Post, rules: Rules, phone: str, provider: str, code: str, action: Action
) -> None:
    refusal = answer(provider, code)
    assert refusal is not None
    shared.put("hello", phone=phone, provider=provider)
    shared.providers.will_answer(refusal)
    shared.new_worker().run_once()
    (row,) = rows(shared, phone)
    tried_again = action in ("later", "slow", "alarm", "page")
    assert (row.state, row.error_code) == ("queued" if tried_again else "failed", code)
    follow_up(shared, rules)
    again = rows(shared, phone)[1:]
    assert len(again) == (1 if action == "once" else 0)
    with shared.database.begin() as db:
        db.execute(text("DELETE FROM outbox WHERE address = :phone AND state = 'queued'"), {"phone": phone})


@pytest.mark.parametrize(("provider", "code", "action"), [*ROWS, *UNKNOWN])
def test_a_message_that_is_told_not_to_have_arrived(
    shared: Post, rules: Rules, phone: str, provider: str, code: str, action: Action
) -> None:
    action = "once" if code in ("99999", "999") else action
    shared.put("hello", phone=phone, provider=provider)
    with shared.database.begin() as db:
        (sent,) = outbox.claim(db, providers=[provider], batch=1, lease_seconds=60)
        outbox.sent(db, [(sent.id, sent.attempt, f"{sent.id}")])
        assert outbox.record_receipt(db, Receipt(provider, f"{sent.id}", 0, "undelivered", code))
    follow_up(shared, rules)
    first, *again = rows(shared, phone)
    assert first.followed_at is not None
    if action in following.SAID_AGAIN:
        (repeated,) = again
        assert (repeated.repeats, repeated.sentence, repeated.state) == (first.id, "hello", "queued")
        assert 800 < repeated.wait <= following.AGAIN_SECONDS
        with shared.database.begin() as db:
            assert outbox.record_receipt(db, Receipt(repeated.provider, "", repeated.id, "undelivered", code))
        follow_up(shared, rules)
        assert len(rows(shared, phone)) == 2, "once is once"
    else:
        assert again == []
    declined = one(shared, "SELECT count(*) FROM opt_out WHERE address = :phone", phone=phone)
    assert declined == (action == "opted_out")
    about = one(shared, "SELECT count(*) FROM incident WHERE about = :about", about=f"{provider}:{code}")
    assert about == (action in ("alarm", "page", "plain"))


@pytest.mark.parametrize("code", ["attempts", "fault", "no_route", "not_known", "connect_timeout", "500"])
def test_what_was_given_up_before_anybody_took_it_is_not_said_again(
    shared: Post, rules: Rules, phone: str, code: str
) -> None:
    shared.put("hello", phone=phone)
    with shared.database.begin() as db:
        db.execute(
            text("UPDATE outbox SET state = 'failed', error_code = :code WHERE address = :phone"),
            {"code": code, "phone": phone},
        )
    follow_up(shared, rules)
    (row,) = rows(shared, phone)
    assert row.followed_at is not None


def test_neither_answers_nor_secrets_are_said_again(shared: Post, rules: Rules, phone: str) -> None:
    with shared.database.begin() as db:
        outbox.put(
            db,
            [
                outbox.Row("twilio", phone, "en", "Which one?", {}, purpose="answer"),
                outbox.Row("twilio", phone, "en", "Your code: {code}", {"code": "123"}, secret=True),
            ],
        )
    shared.new_worker().run_once()
    with shared.database.begin() as db:
        db.execute(
            text("UPDATE outbox SET state = 'undelivered', error_code = '30003' WHERE address = :phone"),
            {"phone": phone},
        )
    follow_up(shared, rules)
    assert len(rows(shared, phone)) == 2
