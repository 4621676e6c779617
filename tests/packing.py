"""A small catalogue of what gifts are packed with, for tests: one or two pieces of each kind, made once for each test process."""

from functools import cache

from circulation import contents
from contents import shipped
from contents.renditions import Rendition
from storage.database import Database

KEYS = ("kleine-nachtmusik", "fuer-elise", "minuet", "birthday", "thanks", "lion", "good-morning")


@cache
def made(key: str) -> list[Rendition]:
    """The renditions of one piece."""
    return shipped.renditions(key)


def stock(database: Database, keys: tuple[str, ...] = KEYS) -> dict[str, int]:
    """Put these pieces into the catalogue; their ids by key."""
    pieces = {piece.key: piece for piece in shipped.pieces()}
    with database.begin() as db:
        return {
            key: contents.import_piece(
                db, key=key, kind=pieces[key].kind, title=pieces[key].title, source="", renditions=made(key)
            )
            for key in keys
        }
