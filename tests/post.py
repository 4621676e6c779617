"""A worker between a database and the fake providers, for tests of what leaves and what does not."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import text

from bot.channels import Channel
from bot.channels.africastalking import AfricasTalking
from bot.channels.twilio import Twilio
from bot.config import Settings
from bot.messages import Form
from bot.worker import Worker
from storage import outbox
from storage.database import Database
from storage.outbox import Row
from tests.fakes.providers import FakeProviders

PHONE = "+254712345678"


def render(language: str, sentence: str, holes: Mapping[str, Any]) -> str:
    return f"{language}: {sentence.format(**holes)}"


class Post:
    """A worker between a database and the fake providers, and what tests ask of them."""

    def __init__(self, database: Database, providers: FakeProviders, **also: Any) -> None:
        """`also`: what the worker is told besides, such as its routes."""
        self.database = database
        self.passed = 0.0
        self.providers = providers
        settings = Settings(
            giftline_mode="development", twilio_api_base=providers.url, africastalking_api_base=providers.url
        )
        self.channels: dict[str, Channel] = {
            "twilio": Twilio(settings),
            "africastalking": AfricasTalking(settings),
        }
        self._also = also
        self.worker = self.new_worker()

    def new_worker(
        self,
        database: Database | None = None,
        wait: Callable[[float], None] = lambda seconds: None,
        chores: Callable[[], None] = lambda: None,
        **also: Any,
    ) -> Worker:
        """Another worker beside it."""
        return Worker(
            database or self.database,
            self.channels,
            render,
            wait,
            chores,
            lambda: 0,
            clock=self.clock,
            **{**self._also, **also},
        )

    def clock(self) -> float:
        """Seconds, as the worker counts them."""
        return time.monotonic() + self.passed

    def put(
        self, *sentences: str, phone: str = PHONE, provider: str = "twilio", form: Form = "sms", **holes: object
    ) -> None:
        """File messages."""
        with self.database.begin() as db:
            outbox.put(db, [Row(provider, phone, "en", sentence, holes, form=form) for sentence in sentences])

    def rows(self) -> list[tuple[str, int, str]]:
        """(state, attempt, error code) of each row."""
        with self.database.begin() as db:
            found = db.execute(text("SELECT state, attempt, error_code FROM outbox ORDER BY id"))
            return [(row.state, row.attempt, row.error_code) for row in found]

    def states(self) -> list[str]:
        """The state of each row."""
        return [state for state, _, _ in self.rows()]

    def waits(self) -> list[float]:
        """How long each waiting row still has to wait, in seconds."""
        with self.database.begin() as db:
            query = "SELECT extract(epoch FROM due_at - now()) FROM outbox WHERE state = 'queued' ORDER BY id"
            return [float(seconds) for seconds in db.execute(text(query)).scalars()]

    def providers_of_rows(self) -> list[str]:
        """Who has each row now."""
        with self.database.begin() as db:
            return list(db.execute(text("SELECT provider FROM outbox ORDER BY id")).scalars())

    def pass_time(self, seconds: float) -> None:
        """Let so much time go by, in the database and in the worker."""
        self.passed += seconds
        with self.database.begin() as db:
            db.execute(text("UPDATE outbox SET due_at = due_at - make_interval(secs => :s)"), {"s": seconds})
