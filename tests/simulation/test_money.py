"""Twenty thousand operations over every rail, with hostile providers: every invariant holds, and ours is what theirs is."""

import random
from collections.abc import Iterator

import pytest

from bot.config import Settings
from payments.fakes.people import Asking
from payments.fakes.server import FakeRails
from tests.paying import Paying, answering
from tests.simulation.world import World

SEEDS = (1, 2, 3, 4)
STEPS = 5_000
LOOKED_AT_EVERY = 250
RATES = {"busy": 0.03, "broken": 0.03, "lost": 0.03, "cut": 0.01}
"""How often a provider fails, of all requests. Slow answers are tested apart: each takes two seconds."""


@pytest.fixture
def rails(seed: int) -> Iterator[FakeRails]:
    with FakeRails(seed, RATES) as rails:  # type: ignore[arg-type]
        yield rails


@pytest.fixture
def till(plain_settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    with answering(plain_settings, rails) as till:
        yield till


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_whatever_people_and_providers_do(seed: int, till: Paying) -> None:
    world = World(till, random.Random(seed))
    for count in range(1, STEPS + 1):
        world.step()
        if count % LOOKED_AT_EVERY == 0:
            assert till.people.books_in_order(), f"after {count} operations"
    world.settle()
    assert till.people.books_in_order()
    assert ours(till) == theirs(till) != {}
    assert unanswered(till) == []
    assert len({name for name in world.done if ":" not in name}) == len(world.acts), "everything was done at least once"


def ours(till: Paying) -> dict[str, int]:
    """What the ledger says that came in over each rail and did not go back."""
    rows = till.people.rows("""
        SELECT a.owner, sum(p.amount_minor)::bigint FROM posting p JOIN account a ON a.id = p.account_id
        WHERE a.code IN ('1010', '1110', '1120', '1130') AND a.owner <> '' GROUP BY 1""")
    return {str(rail): int(minor) for rail, minor in rows if minor}


def theirs(till: Paying) -> dict[str, int]:
    """What each provider truly took and did not give back, by its own books."""
    rails = till.rails
    fakes: dict[str, Asking] = {
        "mpesa": rails.mpesa,
        "momo": rails.momo,
        "card": rails.card,
        "carrier_billing": rails.carrier,
        "bank": rails.bank,
    }
    taken = {rail: fake.taken_minor("KES") for rail, fake in fakes.items()}
    return {rail: minor for rail, minor in taken.items() if minor}


def unanswered(till: Paying) -> list[tuple[str, str]]:
    """Orders that ended and whose buyers were not told how, by reference."""
    told = {text["reference"] for (text,) in till.people.rows("SELECT holes FROM outbox WHERE holes ? 'reference'")}
    ended = till.people.rows("SELECT reference, state FROM charge WHERE rail <> 'phone_bill'")
    return [
        (reference, state)
        for reference, state in ended
        if reference not in told or state in ("new", "asking", "unknown")
    ]
