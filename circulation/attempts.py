"""Guesses are counted before they are looked at, in a transaction of their own: no rollback undoes a failed one.

One row per guesser, never per victim: who guesses waits, who is guessed at is served.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from circulation.refusals import Refusal
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Guard:
    """How long a guesser waits (seconds) from the n-th failure on, and how long after the first of them all is forgotten.

    Forgetting starts at the first attempt, not the last: a till that works all day would never have its slips forgotten.
    """

    scope: str
    waits: tuple[tuple[int, int], ...]
    forget_seconds: int


PIN = Guard("pin", ((3, 300), (5, 3_600), (10, 86_400)), 86_400)
"""3 wrong: 5 minutes; 5 wrong: an hour; 10 wrong: a day."""
AGREEMENT = Guard("agreement", ((3, 300), (5, 3_600), (10, 86_400)), 86_400)
"""The number that stands in for the PIN by SMS; counted apart, so that a forged sender cannot lock the PIN."""
CODE_BY_CLERK = Guard("code by clerk", ((5, 900), (10, 3_600), (15, 86_400)), 86_400)
CODE_BY_STORE = Guard("code by store", ((20, 3_600),), 3_600)
"""5 bad codes from one till phone: 15 minutes, then an hour, then a day; 20 from one store: an hour."""
CALL_FOR_MEMBER = Guard("call for member", ((5, 60), (10, 600), (20, 3_600), (50, 86_400)), 30 * 86_400)
CALL_BY_PAIR = Guard("call by pair", ((3, 300), (5, 3_600), (10, 86_400)), 86_400)
CALL_BY_CALLER = Guard("call by caller", ((10, 900), (20, 86_400)), 86_400)
"""Who calls and names a member's number, with wrong PINs: by caller and member, by caller, and slowly for the member in all
(docs/decisions/0016). The PIN's own counter is not touched: a stranger who calls cannot lock the owner out of dialling."""

_RESERVE = text("""
    INSERT INTO attempt_counter AS a (scope, subject, failures, since, locked_until)
    VALUES (:scope, :subject, 1, clock(), NULL)
    ON CONFLICT (scope, subject) DO UPDATE SET
        failures = CASE WHEN a.since < clock() - make_interval(secs => :forget) THEN 1 ELSE a.failures + 1 END,
        since = CASE WHEN a.since < clock() - make_interval(secs => :forget) THEN clock() ELSE a.since END,
        locked_until = (
            SELECT clock() + make_interval(secs => max(w.seconds))
            FROM unnest(CAST(:counts AS int[]), CAST(:seconds AS int[])) AS w(failures, seconds)
            WHERE a.since >= clock() - make_interval(secs => :forget) AND w.failures <= a.failures + 1)
    WHERE a.locked_until IS NULL OR a.locked_until <= clock()
    RETURNING failures, locked_until
""")
_LOCKED = text("SELECT locked_until FROM attempt_counter WHERE scope = :scope AND subject = :subject")
_FORGIVE = text("""
    UPDATE attempt_counter SET failures = greatest(failures - 1, 0), locked_until = NULL
    WHERE scope = :scope AND subject = :subject
""")
_CLEAR = text("DELETE FROM attempt_counter WHERE scope = :scope AND subject = :subject")


class Attempts:
    """The counters. Each call is its own committed transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, guard: Guard, subject: str) -> datetime | None:
        """Count one attempt before it is looked at; returns until when the guesser waits if it is wrong (None: no wait).

        Raises Refusal `locked` while they have to wait.
        """
        counts, seconds = zip(*guard.waits, strict=True)
        key = {"scope": guard.scope, "subject": subject}
        with self._database.begin() as db:
            reserved = db.execute(
                _RESERVE, {**key, "forget": guard.forget_seconds, "counts": list(counts), "seconds": list(seconds)}
            ).first()
            if reserved is not None:
                wait: datetime | None = reserved.locked_until
                return wait
            until: datetime = db.execute(_LOCKED, key).scalar_one()
        raise Refusal("locked", until=until)

    def forgive(self, guard: Guard, subject: str) -> None:
        """The attempt was right: it alone is taken back, so that own good codes do not buy free guesses."""
        with self._database.begin() as db:
            db.execute(_FORGIVE, {"scope": guard.scope, "subject": subject})

    def clear(self, guard: Guard, subject: str) -> None:
        """The owner has shown who they are: all their failures are forgotten."""
        with self._database.begin() as db:
            db.execute(_CLEAR, {"scope": guard.scope, "subject": subject})
