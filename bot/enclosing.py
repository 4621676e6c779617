"""What goes with a message that is about to be sent: the names in its outbox row become links, or the things themselves."""

from collections.abc import Callable, Sequence
from typing import Protocol

from bot.catalogue import Catalogue
from bot.messages import Enclosed
from circulation import media
from circulation.rules import Rules
from storage.database import Database


class Filed(Protocol):
    """An outbox row."""

    @property
    def form(self) -> str: ...
    @property
    def enclosed(self) -> Sequence[str]: ...


def enclosing(database: Database, rules: Rules, catalogue: Catalogue) -> Callable[[Filed], tuple[Enclosed, ...]]:
    """A function that gives what goes with a row: links for an MMS, which is fetched, and bodies for a mail.

    What has expired or was taken back since the row was filed is left out.
    """

    def enclose(row: Filed) -> tuple[Enclosed, ...]:
        if not row.enclosed:
            return ()
        with database.begin() as db:
            found = media.enclosed(db, rules, catalogue.say, row.enclosed, with_bodies=row.form == "email")
        return tuple(Enclosed(one.kind, one.link, one.mime, one.body) for one in found)

    return enclose
