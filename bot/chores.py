"""Timed work: what nobody asks for and everybody expects. The database's clock decides what is due."""

import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection, text

from circulation import (
    disputes,
    expiry,
    following,
    gift_list_issuing,
    gifting,
    group_parts,
    ladder,
    links,
    names,
    redemption,
    reminders,
    scheduled,
    sending_limits,
)
from circulation.rules import Rules
from storage import inbox
from storage.database import Database

EVERY_SECONDS = 2.0
DAYS_SECONDS = 60.0
"""What is due by the day is looked for each minute."""
PURGE_SECONDS = 3_600.0
BATCH = 200
LIST_BATCHES = 4
"""Batches of gift lists issued before the other chores, and the texts that wait, have their turn again."""
INBOX_DAYS = 30
"""Providers repeat a message for hours (Africa's Talking: 12); a month leaves room for the slowest."""

_EXPIRE_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE state = 'live' AND expires_at <= clock()")

log = structlog.get_logger(__name__)


class Chores:
    """The chores of one worker; several workers may do them at once, each thing is done by one."""

    def __init__(self, database: Database, rules: Rules, *, conversation_seconds: int) -> None:
        self._database = database
        self._rules = rules
        self._conversation_seconds = conversation_seconds
        self._next = 0.0
        self._next_days = 0.0
        self._next_purge = 0.0

    def __call__(self) -> None:
        """Do what is due, at most every two seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            self.send_gifts()
            self.lapse_gifts()
            self.call_recipients()
            self.end_group_gifts()
            self.issue_gift_lists()
            self.expire_codes()
            self.time_out_holds()
            self.forget_places()
            self.follow_up()
        if now >= self._next_days:
            self._next_days = now + DAYS_SECONDS
            self.hold_again()
            self.end_certificates()
            self.remind()
        if now >= self._next_purge:
            self._next_purge = now + PURGE_SECONDS
            self.purge_inbox()
            self.forget_names()
            self.forget_tallies()
            self.forget_links()

    def send_gifts(self) -> int:
        """Send every gift whose day has come, at a decent hour; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = scheduled.due(db, limit=BATCH)
        sent = 0
        for gift in due:
            with self._database.begin() as db:
                sent += scheduled.send(db, self._rules, gift_id=gift)
        return sent

    def lapse_gifts(self) -> int:
        """Return every gift that was not answered in time; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = gifting.due(db, limit=BATCH)
        return self._each(due, lambda db, gift: gifting.lapse(db, self._rules, gift_id=gift))

    def call_recipients(self) -> int:
        """Have the recipients called whom texts did not reach at night; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = ladder.to_call(db, limit=BATCH)
        return self._each(due, lambda db, gift: ladder.call_now(db, self._rules, gift_id=gift))

    def end_group_gifts(self) -> int:
        """Give full group gifts, close those whose time is over, return parts, tell answers. Returns how many of all."""
        with self._database.begin() as db:
            full, closing = group_parts.all_in(db, limit=BATCH), group_parts.closing(db, limit=BATCH)
        done = self._each(full, lambda db, group: group_parts.give(db, self._rules, group_id=group))
        done += self._each(closing, lambda db, group: group_parts.close(db, self._rules, group_id=group))
        with self._database.begin() as db:
            owed, answered = group_parts.to_return(db, limit=BATCH), group_parts.answers(db, limit=BATCH)
        done += self._each(owed, lambda db, part: group_parts.give_back(db, self._rules, part_id=part))
        return done + self._each(answered, lambda db, group: group_parts.tell_answer(db, self._rules, group_id=group))

    def issue_gift_lists(self) -> int:
        """Issue the next batches of paid gift lists, each in a transaction of its own. Returns how many gifts were offered."""
        offered = 0
        for _ in range(LIST_BATCHES):
            with self._database.begin() as db:
                due = gift_list_issuing.due(db, limit=1)
            for gift_list in due:
                with self._database.begin() as db:
                    offered += gift_list_issuing.issue_batch(db, self._rules, list_id=gift_list)
        return offered

    def expire_codes(self) -> int:
        """Void codes whose time is over. Returns how many."""
        with self._database.begin() as db:
            return db.execute(_EXPIRE_CODES).rowcount

    def time_out_holds(self) -> int:
        """Return every hold that its store did not take in time; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = redemption.due(db, limit=BATCH)
        return self._each(due, lambda db, use: redemption.time_out(db, self._rules, use_id=use))

    def hold_again(self) -> int:
        """Hold what came back to buyers whose bank takes their payment back. Returns how many disputes it was for."""
        with self._database.begin() as db:
            due = disputes.came_back(db, limit=BATCH)
        return self._each(due, lambda db, dispute: disputes.hold_again(db, self._rules, dispute))

    def end_certificates(self) -> int:
        """End certificates after their last day, and what may be asked of them after the law's time. Returns how many."""
        with self._database.begin() as db:
            ended = expiry.expire(db, self._rules, limit=BATCH)
        with self._database.begin() as db:
            return ended + expiry.end_limitation(db, self._rules, limit=BATCH)

    def remind(self) -> int:
        """Tell holders what ends soon and what has ended, at a decent hour. Returns how many were told."""
        with self._database.begin() as db:
            reminded = reminders.remind(db, self._rules, limit=BATCH)
        with self._database.begin() as db:
            return reminded + reminders.tell_ended(db, self._rules, limit=BATCH)

    def forget_places(self) -> int:
        """Forget where people stood who did not come back. Returns how many."""
        with self._database.begin() as db:
            return inbox.forget_places(db, seconds=self._conversation_seconds)

    def purge_inbox(self) -> int:
        """Forget messages that no provider will repeat any more. Returns how many."""
        with self._database.begin() as db:
            return inbox.purge(db, days=INBOX_DAYS)

    def forget_names(self) -> int:
        """Forget whose names givers asked about. Returns how many."""
        with self._database.begin() as db:
            return names.forget(db)

    def forget_links(self) -> int:
        """Forget the names of pictures, sounds and pages that can be fetched no more. Returns how many."""
        with self._database.begin() as db:
            return links.forget(db)

    def follow_up(self) -> int:
        """Do what follows messages that did not arrive; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = following.due(db, limit=BATCH)
        for row in due:
            with self._database.begin() as db:
                following.follow(db, self._rules, row)
        return len(due)

    def forget_tallies(self) -> int:
        """Forget how many texts were sent on days gone by. Returns how many counts."""
        with self._database.begin() as db:
            return sending_limits.forget(db, self._rules)

    def _each(self, due: Sequence[str], act: Callable[[Connection, str], object]) -> int:
        """Do it to each, in a transaction of its own: one that fails undoes no other. Returns how many."""
        for one in due:
            with self._database.begin() as db:
                act(db, one)
        return len(due)
