"""The pictures and sounds that go with a gift: composed when they are asked for, so that they show what is true then.

They are there while the gift waits and after it was accepted. A barcode is there only in the hands of who accepted it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Row, text

from circulation import bearer, contents, links
from circulation.contents import Content
from circulation.links import Kind
from circulation.money import Money
from circulation.rules import Rules
from circulation.values import Value
from contents import barcode, composing
from contents.renditions import JPEG, JPEG_BYTES, MP3, MP3_BYTES, PICTURES

Say = Callable[[str, str, Mapping[str, Value]], str]
"""A sentence in a language, its holes filled."""

FROM = "From {giver}"
WORTH = "{issuer} {amount}"
SENTENCES = (FROM, WORTH)

MIMES: Mapping[Kind, str] = {"page": "text/html", "card": JPEG, "sound": MP3, "barcode": "image/png"}
KEPT = 32
"""Composed pictures that a process keeps: a provider asks for each several times within seconds."""


@dataclass(frozen=True, slots=True)
class Media:
    """One thing that goes with a gift. `body` is empty where only the link was asked for."""

    kind: Kind
    link: str
    mime: str
    body: bytes = b""


_MEDIA = text("""
    SELECT m.name, m.kind, m.gift_id::text, m.content_id, m.rung, g.state, coalesce(p.name, '') AS giver, p.language,
           i.name AS issuer, g.amount_minor, g.currency
    FROM media m LEFT JOIN gift g ON g.id = m.gift_id LEFT JOIN member p ON p.id = g.giver_id
    LEFT JOIN issuer i ON i.id = g.issuer_id
    WHERE m.name = ANY(:names) AND m.expires_at > clock() AND (m.gift_id IS NULL OR g.state IN ('offered', 'accepted'))
""")
_HELD = text("""
    SELECT c.id, c.holder_id FROM gift g JOIN gift_sheet s ON s.gift_id = g.id
    JOIN certificate c ON c.id = s.certificate_id AND c.holder_id = g.recipient_id AND c.state = 'live'
    WHERE g.id = :gift AND g.state = 'accepted' ORDER BY s.place
""")


def held(db: Connection, gift_id: str) -> list[tuple[int, int]]:
    """(certificate, holder) of each sheet of a gift that who accepted it still holds."""
    return [(certificate, holder) for certificate, holder in db.execute(_HELD, {"gift": gift_id})]


def enclosed(db: Connection, rules: Rules, say: Say, names: Sequence[str], *, with_bodies: bool) -> list[Media]:
    """What goes with a message, by the names filed with it. What has expired or was withdrawn is left out."""
    addresses = links.urls(db, rules, list(names))
    found = {row.name: row for row in db.execute(_MEDIA, {"names": list(names)})}
    made = []
    for name in names:
        if (row := found.get(name)) is None:
            continue
        body = _body(db, rules, say, row) if with_bodies and row.kind != "page" else b""
        if body is not None:
            made.append(Media(row.kind, addresses[name], MIMES[row.kind], body))
    return made


def fetched(db: Connection, rules: Rules, say: Say, name: str) -> Media | None:
    """What is fetched under this name; None when it is a page, has expired, or was withdrawn."""
    row = db.execute(_MEDIA, {"names": [name]}).first()
    if row is None or row.kind == "page":
        return None
    return _media(row.kind, _body(db, rules, say, row))


def of_page(db: Connection, rules: Rules, say: Say, name: str, file: str) -> Media | None:
    """What a gift's page (of this name) shows under a file name of `on_page`; None when there is no such thing now."""
    row = db.execute(_MEDIA, {"names": [name]}).first()
    if row is None or row.kind != "page":
        return None
    if file == links.FILES["card"]:
        return _media("card", _card(db, say, row))
    for piece in contents.packed(db, row.gift_id):
        if file == _file(piece):
            kind: Kind = "card" if piece.kind in PICTURES else "sound"
            return _media(kind, _rendition(db, piece.id, MIMES[kind]))
    for place, (certificate, holder) in enumerate(held(db, row.gift_id)):
        if file == barcode_file(place):
            return _media("barcode", _barcode(db, rules, certificate, holder))
    return None


def on_page(pieces: Sequence[Content]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(file name, title) of the pictures beside the card, and of the sounds, that a page shows of these."""
    return (
        [(_file(piece), piece.title) for piece in _pictures(pieces)[1:]],
        [(_file(piece), piece.title) for piece in _sounds(pieces)],
    )


def barcode_file(place: int) -> str:
    """The file name, on a gift's page, of the barcode of one of its sheets."""
    return f"barcode-{place + 1}.png"


def _body(db: Connection, rules: Rules, say: Say, row: Row[*tuple[object, ...]]) -> bytes | None:
    match row.kind:
        case "sound":
            return _rendition(db, row.content_id, MP3)
        case "barcode":  # of the sheet in this place: a barcode is as small as it can be in any case
            sheets = held(db, row.gift_id)
            return _barcode(db, rules, *sheets[row.rung]) if row.rung < len(sheets) else None
    if row.content_id is not None:
        return _rendition(db, row.content_id, JPEG, row.rung)
    return _card(db, say, row)


def _card(db: Connection, say: Say, row: Row[*tuple[object, ...]]) -> bytes:
    """The first picture packed, or a parcel, with who gives what in words beside it."""
    picture = next(iter(_pictures(contents.packed(db, row.gift_id))), None)
    art = _rendition(db, picture.id, JPEG) if picture else None
    rung = min(row.rung, len(composing.RUNGS) - 1) if row.kind == "card" else 1
    told: dict[str, Value] = {"giver": row.giver, "issuer": row.issuer, "amount": Money(row.amount_minor, row.currency)}
    return _composed(art, tuple(say(row.language, sentence, told) for sentence in SENTENCES), rung)


@lru_cache(KEPT)
def _composed(art: bytes | None, lines: tuple[str, ...], rung: int) -> bytes:
    return composing.compose(art, lines, None, rung=rung, limit=JPEG_BYTES[rung])


def _barcode(db: Connection, rules: Rules, certificate_id: int, holder_id: int) -> bytes:
    code = bearer.code_for(db, rules, certificate_id=certificate_id, holder_id=holder_id)
    return barcode.png(code.replace("-", ""))


def _rendition(db: Connection, content_id: int, mime: str, rung: int = 0) -> bytes | None:
    most = JPEG_BYTES[min(rung, len(JPEG_BYTES) - 1)] if mime == JPEG else MP3_BYTES
    made = contents.rendition(db, content_id, mime, most)
    return made.body if made else None


def _media(kind: Kind, body: bytes | None) -> Media | None:
    return Media(kind, "", MIMES[kind], body) if body is not None else None


def _pictures(pieces: Sequence[Content]) -> list[Content]:
    return [piece for piece in pieces if piece.kind in PICTURES]


def _sounds(pieces: Sequence[Content]) -> list[Content]:
    return [piece for piece in pieces if piece.kind not in PICTURES]


def _file(piece: Content) -> str:
    return f"picture-{piece.id}.jpg" if piece.kind in PICTURES else f"sound-{piece.id}.mp3"
