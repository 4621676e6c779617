"""What gifts are packed with: the catalogue of pictures and sounds, and which of them go with which gift.

A piece that the operator withdraws is no longer offered, and no longer shown with gifts that were packed with it
(circulation/media.py); the gifts themselves are not touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, text

from contents.renditions import Kind, Rendition

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        "ringtone": "Ringtone",
        "music": "Background music",
        "card": "Card",
        "character": "Character",
        "song": "Song",
    }
)
"""Every kind of content and what people call it, in menu order."""

MOST_PACKED = 3
"""Pieces in one gift, each of another kind: what an MMS of 300 kB carries beside its words."""

MOST_LISTED = 50
"""Titles of one kind that are offered at once."""


@dataclass(frozen=True, slots=True)
class Content:
    """One piece of the catalogue. `source` is the outside provider it came from, empty for ours."""

    id: int
    key: str
    kind: Kind
    title: str
    source: str
    withdrawn: bool


class OtherKind(ValueError):
    """A piece with this key is in the catalogue, and is of another kind."""


_COLUMNS = "c.id, c.key, c.kind, c.title, c.source, c.withdrawn"
_KINDS = text("SELECT DISTINCT kind FROM content WHERE NOT withdrawn")
_LISTED = text(f"""
    SELECT {_COLUMNS} FROM content c WHERE c.kind = :kind AND NOT c.withdrawn ORDER BY c.title, c.id LIMIT :most
""")
_ALL = text(f"SELECT {_COLUMNS} FROM content c ORDER BY c.kind, c.title, c.id")
_CHOSEN = text(f"SELECT {_COLUMNS} FROM content c WHERE c.id = ANY(:ids) AND NOT c.withdrawn")
_PACKED = text(f"""
    SELECT {_COLUMNS} FROM gift_content g JOIN content c ON c.id = g.content_id
    WHERE g.gift_id = :gift AND NOT c.withdrawn ORDER BY g.place
""")
_PACK = text("""
    INSERT INTO gift_content (gift_id, place, content_id)
    SELECT :gift, p.place, p.content FROM unnest(CAST(:ids AS int[])) WITH ORDINALITY AS p(content, place)
    ON CONFLICT (gift_id, place) DO NOTHING
""")
_IMPORT = text("""
    INSERT INTO content (key, kind, title, source) VALUES (:key, :kind, :title, :source)
    ON CONFLICT (key) DO UPDATE SET title = excluded.title, source = excluded.source, withdrawn = false
    RETURNING id, kind
""")
_FORGET_RENDITIONS = text("DELETE FROM rendition WHERE content_id = :content")
_RENDITION = text("INSERT INTO rendition (content_id, mime, rung, body) VALUES (:content, :mime, :rung, :body)")
_WITHDRAW = text("UPDATE content SET withdrawn = true WHERE key = :key AND NOT withdrawn")
_FITTING = text("""
    SELECT r.mime, r.rung, r.body FROM rendition r JOIN content c ON c.id = r.content_id AND NOT c.withdrawn
    WHERE r.content_id = :content AND r.mime = :mime AND length(r.body) <= :most ORDER BY r.rung LIMIT 1
""")


def kinds(db: Connection) -> list[Kind]:
    """The kinds of which anything is offered, in menu order."""
    offered = set(db.execute(_KINDS).scalars())
    return [kind for kind in KINDS if kind in offered]


def listed(db: Connection, kind: Kind) -> list[Content]:
    """What is offered of one kind, by title, at most MOST_LISTED."""
    return [Content(*row) for row in db.execute(_LISTED, {"kind": kind, "most": MOST_LISTED})]


def every(db: Connection) -> list[Content]:
    """The whole catalogue, by kind and title, and what was withdrawn."""
    return [Content(*row) for row in db.execute(_ALL)]


def chosen(db: Connection, ids: Sequence[int]) -> list[Content]:
    """The pieces with these ids, in this order; what was withdrawn meanwhile is left out."""
    found = {row.id: Content(*row) for row in db.execute(_CHOSEN, {"ids": list(ids)})}
    return [found[id_] for id_ in ids if id_ in found]


def pack(db: Connection, gift_id: str, ids: Sequence[int]) -> None:
    """Put these pieces into a gift, in this order. The same gift packed again stays as it is.

    Raises ValueError for more than MOST_PACKED.
    """
    if len(ids) > MOST_PACKED:
        raise ValueError(f"a gift is packed with at most {MOST_PACKED} pieces")
    if ids:
        db.execute(_PACK, {"gift": gift_id, "ids": list(ids)})


def packed(db: Connection, gift_id: str) -> list[Content]:
    """What goes with a gift, in the order in which it was packed; what was withdrawn since is left out."""
    return [Content(*row) for row in db.execute(_PACKED, {"gift": gift_id})]


def import_piece(
    db: Connection, *, key: str, kind: Kind, title: str, source: str, renditions: Sequence[Rendition]
) -> int:
    """Put a piece into the catalogue with its renditions, and return its id.

    A key that is known gets the new title and renditions, and is offered again if it was withdrawn. Raises OtherKind.
    """
    row = db.execute(_IMPORT, {"key": key, "kind": kind, "title": title, "source": source}).one()
    if row.kind != kind:
        raise OtherKind(f"{key} is a {row.kind}")
    db.execute(_FORGET_RENDITIONS, {"content": row.id})
    db.execute(
        _RENDITION,
        [{"content": row.id, "mime": made.mime, "rung": made.rung, "body": made.body} for made in renditions],
    )
    return int(row.id)


def withdraw(db: Connection, key: str) -> bool:
    """Offer this piece no longer. False when none with this key was offered."""
    return db.execute(_WITHDRAW, {"key": key}).rowcount > 0


def rendition(db: Connection, content_id: int, mime: str, most_bytes: int) -> Rendition | None:
    """The largest rendition of this type that is at most so many bytes long; None when there is none, or no more."""
    row = db.execute(_FITTING, {"content": content_id, "mime": mime, "most": most_bytes}).first()
    return Rendition(row.mime, row.rung, bytes(row.body)) if row else None
