"""The turn's unit of work: one transaction, begun when something is to be done, and the ways it ends otherwise."""

from contextlib import ExitStack

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bot.messages import Inbound
from bot.services import Services
from circulation import members
from storage import inbox
from storage.conversations import Place


class Stale(Exception):
    """The conversation moved on while this turn was thinking: read it again, and no older than `newer`."""

    def __init__(self, newer: Place | None = None) -> None:
        super().__init__()
        self.newer = newer


class AnsweredBefore(Exception):
    """An exact repeat: this was the answer."""

    def __init__(self, sealed: bytes | None) -> None:
        super().__init__()
        self.sealed = sealed


class CommitUnknown(Exception):
    """The line to the database broke while committing: it may have been done."""


class Work:
    """The unit of work of one run of a turn; `seen` is the version of the place that the run is about."""

    def __init__(self, services: Services, message: Inbound, person: bytes, seen: int) -> None:
        self._services = services
        self._message = message
        self._person = person
        self._seen = seen
        self._stack = ExitStack()
        self._db: Connection | None = None
        self._member: members.Member | None = None
        self._member_known = False
        self.taken: inbox.Taken | None = None

    @property
    def db(self) -> Connection:
        """The database: for reading alone, until the message was taken in hand; a turn that never asks has none."""
        if self._db is None:
            self._db = self._stack.enter_context(self._services.database.look())
        return self._db

    @property
    def member(self) -> members.Member | None:
        """Who is speaking, read once, and again after something was done."""
        if not self._member_known:
            self._member = members.find(self.db, self._message.msisdn)
            self._member_known = True
        return self._member

    def take_in_hand(self) -> None:
        """File the message, once. Raises when it was answered before, or when SQL knows a newer place than Redis."""
        if self.taken is None:
            self._stack.close()
            self._db = self._stack.enter_context(self._services.database.begin())
            taken = inbox.take(self._db, self._message.provider, self._message.key, self._person)
            if not taken.fresh:
                raise AnsweredBefore(taken.reply)
            self.taken = taken
            if taken.version > self._seen and self._message.channel != "sms":
                raise Stale(Place(taken.version, taken.body))

    def forget_member(self) -> None:
        """Something was done: who the member is may have changed."""
        self._member_known = False

    def commit(self) -> None:
        """Raises CommitUnknown when the line broke while the answer to COMMIT was awaited."""
        if self._db is None:
            return
        try:
            self._stack.close()
        except OperationalError as error:
            if self.taken is not None:
                raise CommitUnknown from error
            raise

    def roll_back(self, error: BaseException) -> None:
        """Undo everything, because of `error`."""
        self._stack.__exit__(type(error), error, error.__traceback__)
