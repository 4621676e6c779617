"""What waits at providers that nobody serves any more goes to whoever carries it now, or ends with a true word."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bot.services import Services
from bot.withdrawn import Withdrawn
from circulation import following
from circulation.routes import Routes
from circulation.rules import Rules
from storage import outbox
from storage.database import Database
from storage.outbox import Row
from storage.roles import Role

PHONE = "+254712345678"
SERVED = frozenset({"twilio", "africastalking"})


@pytest.fixture
def worker(services: Services) -> Database:
    """The database as the worker has it."""
    return services.database.as_role(Role.WORKER, connections=2)


@pytest.fixture
def rules(services: Services) -> Rules:
    return replace(services.talk.rules, routes=Routes.parse("sms + kannel twilio; sms,mms +1 twilio", texts_by=""))


def put(database: Database, provider: str, **kind: Any) -> None:
    with database.begin() as db:
        outbox.put(db, [Row(provider, PHONE, "en", "Hello", {}, **kind)])


def rows(database: Database) -> list[tuple[str, str, str]]:
    with database.begin() as db:
        found = db.execute(text("SELECT provider, state, error_code FROM outbox ORDER BY id"))
        return [(row.provider, row.state, row.error_code) for row in found]


def reroute(database: Database, rules: Rules, served: frozenset[str] = SERVED) -> int:
    with database.begin() as db:
        return following.reroute(db, rules, served=served, limit=10)


def test_texts_of_a_withdrawn_provider_go_by_their_route(worker: Database, rules: Rules) -> None:
    put(worker, "gone")
    put(worker, "twilio")
    assert reroute(worker, rules, SERVED | {"kannel"}) == 1
    assert rows(worker) == [("kannel", "queued", ""), ("twilio", "queued", "")]
    assert reroute(worker, rules, SERVED | {"kannel"}) == 0


def test_what_nobody_else_carries_ends(worker: Database, rules: Rules) -> None:
    put(worker, "gone", form="mms")
    put(worker, "kannel")
    assert reroute(worker, rules) == 2
    assert rows(worker) == [("gone", "failed", "no_route"), ("kannel", "failed", "no_route")]


def test_what_it_may_have_taken_is_not_sent_by_another(worker: Database, rules: Rules) -> None:
    put(worker, "gone", secret=True)
    put(worker, "gone")
    with worker.begin() as db:
        lost, asked = outbox.claim(db, providers=["gone"], batch=2, lease_seconds=0)
        outbox.retry(db, [(asked.id, asked.attempt, 0, "ReadTimeout", True)])
    assert lost.attempt == 1
    assert reroute(worker, rules, SERVED | {"kannel"}) == 2
    assert rows(worker) == [("gone", "failed", "not_known")] * 2
    with worker.begin() as db:
        assert db.execute(text("SELECT sentence FROM outbox ORDER BY id")).scalars().all() == ["", "Hello"]


def test_the_chore_looks_for_them(worker: Database, rules: Rules) -> None:
    put(worker, "gone")
    chore = Withdrawn(worker, rules, SERVED | {"kannel"})
    chore()
    put(worker, "gone")
    chore()
    assert [provider for provider, _, _ in rows(worker)] == ["kannel", "gone"], "once a minute"


def test_two_workers_follow_a_failure_once(worker: Database, rules: Rules) -> None:
    put(worker, "twilio")
    with worker.begin() as db:
        (claimed,) = outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)
        outbox.failed(db, [(claimed.id, claimed.attempt, "30003")])
    for _ in range(2):
        with worker.begin() as db:
            following.follow(db, rules, claimed.id)
    assert [state for _, state, _ in rows(worker)] == ["failed", "queued"]
