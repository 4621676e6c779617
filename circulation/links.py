"""Links to what is fetched: the page of a gift, and the pictures and sounds that go with it.

A token is 40 characters that are safe in an address and short enough for a text: a random name of 128 bits, the second at
which it expires, and a keyed hash of both (80 bits of HMAC-SHA-256). What was not made with our key is found out without
asking the database; the name alone is what cannot be guessed.
"""

import base64
import hmac
import re
import secrets
import struct
import time
from typing import Literal

from sqlalchemy import Connection, text

from circulation import contents
from circulation.rules import Rules
from contents.renditions import PICTURES

Kind = Literal["page", "card", "sound", "barcode"]

MEDIA_SECONDS = 86_400
"""How long a picture or sound of a message can be fetched: a provider's queue holds ten hours, then the carrier fetches it."""
PAGE_SECONDS = 30 * 86_400
"""How long a gift's page can be opened after the time to answer is over."""
FILES = {"card": "card.jpg", "sound": "sound.mp3", "barcode": "barcode.png"}
"""The file names at the end of addresses: carriers want at most 20 characters, and nothing but letters, digits, dots."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{40}")
_MAC_BYTES = 10

_MINT = text("""
    INSERT INTO media (name, kind, gift_id, content_id, rung, expires_at)
    VALUES (:name, :kind, :gift, :content, :rung, clock() + make_interval(secs => :seconds))
""")
_MINT_PAGE = text("""
    INSERT INTO media (name, kind, gift_id, by_mail, expires_at)
    SELECT :name, 'page', id, :by_mail, greatest(coalesce(lapses_at, sends_at), clock()) + make_interval(secs => :seconds)
    FROM gift WHERE id = :gift
""")
_FORGET = text("DELETE FROM media WHERE expires_at <= clock()")
_EXPIRY = text("SELECT name, kind, extract(epoch FROM expires_at)::bigint FROM media WHERE name = ANY(:names)")


def mint(
    db: Connection,
    kind: Kind,
    gift_id: str | None,
    content_id: int | None = None,
    rung: int = 0,
) -> str:
    """A new name for a picture or a sound of this gift, to be fetched for `MEDIA_SECONDS`.

    A `sound` is that of `content_id`; without a gift it is that piece alone, for who may pack it. `rung` is how small the
    thing has to be (0: as it is best).
    """
    name = _text(secrets.token_bytes(16))
    row = {"name": name, "kind": kind, "gift": gift_id, "content": content_id, "rung": rung}
    db.execute(_MINT, {**row, "seconds": MEDIA_SECONDS})
    return name


def mint_page(db: Connection, gift_id: str, *, by_mail: bool = False) -> str:
    """A new name for the page of a gift, good until `PAGE_SECONDS` after its time to answer.

    `by_mail`: it goes to the gift's e-mail address, and whoever opens it may answer there.
    """
    name = _text(secrets.token_bytes(16))
    db.execute(_MINT_PAGE, {"name": name, "gift": gift_id, "by_mail": by_mail, "seconds": PAGE_SECONDS})
    return name


def mint_packed(db: Connection, gift_id: str, rung: int = 0) -> list[str]:
    """New names for the card of a gift, the other pictures packed with it, and its sounds, in that order.

    `rung` is how small the pictures have to be (contents/renditions.py).
    """
    packed = contents.packed(db, gift_id)
    pictures = [piece for piece in packed if piece.kind in PICTURES]
    names = [mint(db, "card", gift_id, rung=rung)]  # shows the first of the pictures, if there is any
    names += [mint(db, "card", gift_id, piece.id, rung) for piece in pictures[1:]]
    names += [mint(db, "sound", gift_id, piece.id) for piece in packed if piece.kind not in PICTURES]
    return names


def urls(db: Connection, rules: Rules, names: list[str]) -> dict[str, str]:
    """The full address under which each of these names is fetched."""
    found = db.execute(_EXPIRY, {"names": names})
    return {name: _url(rules, kind, path(rules.link_key, name, expires)) for name, kind, expires in found}


def page_url(db: Connection, rules: Rules, gift_id: str) -> str:
    """The address of a new page for this gift: what a text or a mail says in its {link}."""
    name = mint_page(db, gift_id)
    return urls(db, rules, [name])[name]


def forget(db: Connection) -> int:
    """Forget names that can be fetched no more. Returns how many."""
    return db.execute(_FORGET).rowcount


def path(key: bytes, name: str, expires: int) -> str:
    """The token of a name that expires at this second since 1970."""
    bare = base64.urlsafe_b64decode(f"{name}==") + struct.pack(">I", expires)
    return _text(bare + _mac(key, bare))


def open_token(key: bytes, token: str, now: float | None = None) -> str | None:
    """The name in a token that was made with this key and has not expired; None for everything else, in the same time."""
    if not _TOKEN.fullmatch(token):
        return None
    whole = base64.urlsafe_b64decode(token)
    bare, mac = whole[:-_MAC_BYTES], whole[-_MAC_BYTES:]
    genuine = hmac.compare_digest(mac, _mac(key, bare))
    (expires,) = struct.unpack(">I", bare[16:])
    return _text(bare[:16]) if genuine and expires > (time.time() if now is None else now) else None


def form_token(key: bytes, name: str, about: str) -> str:
    """What a form on a page must bring back: it belongs to this page and to what was shown on it."""
    return _text(hmac.digest(key, f"form {name} {about}".encode(), "sha256")[:15])


def _mac(key: bytes, bare: bytes) -> bytes:
    return hmac.digest(key, b"link " + bare, "sha256")[:_MAC_BYTES]


def _url(rules: Rules, kind: str, token: str) -> str:
    if kind == "page":
        return f"{rules.public_base_url}/g/{token}"
    return f"{rules.public_base_url}/m/{token}/{FILES[kind]}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
