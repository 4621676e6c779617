"""What is claimed and yet not sent: what its recipient declined, what is true no more, and what can wait once the texts of the
day are spent."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bot.sending import Outcome
from circulation import ladder, sending_limits, wishes
from circulation.rules import Rules
from storage.outbox import Claimed


class HeldBack:
    """The wishes and limits of a deployment, as a worker asks for them in the transactions that claim and mark."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def of(self, db: Connection, rows: Sequence[Claimed]) -> list[Outcome]:
        """What becomes of those of `rows` that are not sent now."""
        over = ladder.over(db, rows)
        true = [row for row in rows if row.id not in over]
        declined = wishes.declined(db, [(row.address, row.provider, row.purpose) for row in true])
        refused = [row for row in true if (row.address, row.provider, row.purpose) in declined]
        rest = [row for row in true if (row.address, row.provider, row.purpose) not in declined]
        waits = sending_limits.within(db, self._rules, rest)
        outcomes = [Outcome(row, "failed", "over") for row in rows if row.id in over]
        outcomes += [Outcome(row, "failed", "opted_out") for row in refused]
        return outcomes + [Outcome(row, "released", seconds=waits[row.id]) for row in rest if row.id in waits]

    def left(self, db: Connection, count: int) -> None:
        """So many messages were sent."""
        sending_limits.sent(db, self._rules, count)


class NothingHeldBack:
    """Where nobody looks at what is sent, all of it is."""

    def of(self, _db: Connection, _rows: Sequence[Claimed]) -> list[Outcome]:
        """Nothing."""
        return []

    def left(self, _db: Connection, _count: int) -> None:
        """Nobody counts."""
