"""What is claimed and yet not sent: what was declined, and what can wait when the texts of the day are spent."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from bot.held_back import HeldBack
from bot.services import Services
from circulation import wishes
from storage import outbox
from storage.outbox import Purpose, Row
from storage.roles import Role
from tests.fakes.providers import FakeProviders
from tests.post import PHONE, Post


@pytest.fixture
def post(services: Services, providers: FakeProviders) -> Post:
    rules = replace(services.talk.rules, texts_a_day=3)
    database = services.database.as_role(Role.WORKER, connections=8)
    return Post(database, providers, held_back=HeldBack(rules))


def put(post: Post, purpose: Purpose, phone: str = PHONE) -> None:
    with post.database.begin() as db:
        outbox.put(db, [Row("twilio", phone, "en", purpose, {}, purpose=purpose)])


def test_what_a_person_declined_is_not_sent_and_what_they_asked_is(post: Post) -> None:
    with post.database.begin() as db:
        wishes.stop(db, PHONE, "twilio")
    for purpose in ("gift", "reminder", "service", "answer"):
        put(post, purpose)
    post.worker.run_once()
    assert post.rows() == [("failed", 1, "opted_out"), ("failed", 1, "opted_out"), ("sent", 1, ""), ("sent", 1, "")]


def test_when_the_texts_of_the_day_are_spent_gifts_wait_for_the_morning_untried(post: Post) -> None:
    for n in range(5):
        put(post, "gift", phone=f"+25471200000{n}")
    post.worker.run_once()
    put(post, "answer")
    put(post, "reminder")
    post.worker.run_once()
    assert post.states().count("sent") == 4, "three of the day, and the answer that somebody waits for"
    assert post.rows()[-1] == ("queued", 0, "")
    assert min(post.waits()) > 60
    with post.database.begin() as db:
        assert db.execute(text("SELECT count(*) FROM incident WHERE kind LIKE 'texts of the day%'")).scalar() == 1
