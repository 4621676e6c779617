"""Bearer codes: what stands in pictures and on pages, for tills to scan. They name a certificate in somebody's hands.

A picture can be seen by others, forwarded or stolen, so its code alone pays nothing: a shop that scans it asks the holder,
who agrees on their own phone (circulation/payment_requests.py). It shows no balance either.

Sixteen characters of Crockford's base 32: 15 that nobody can foresee (75 bits) and a check character. Source of the
alphabet and of what is read as what: Douglas Crockford, "Base 32"; of the check: the Luhn algorithm mod N.
"""

import re
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, text

from circulation import wallet
from circulation.codes import CodeKeys
from circulation.money import Money
from circulation.rules import Rules

LENGTH = 16
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")
_BETWEEN = re.compile(r"[\s.\-]")


@dataclass(frozen=True, slots=True)
class Borne:
    """The certificate that a bearer code names, and who holds it. `left` is what it is worth now."""

    certificate_id: int
    holder_id: int
    issuer: str
    left: Money


_KNOWN = text("SELECT id::text FROM bearer_code WHERE certificate_id = :certificate AND holder_id = :holder")
_MAKE = text("""
    INSERT INTO bearer_code (id, digest, key_id, certificate_id, holder_id)
    VALUES (:id, :digest, :key_id, :certificate, :holder) ON CONFLICT (certificate_id, holder_id) DO NOTHING
""")
_FIND = text(f"""
    SELECT c.id, c.holder_id, i.name, c.currency, b.amount_minor
    FROM bearer_code k JOIN certificate c ON c.id = k.certificate_id AND c.holder_id = k.holder_id AND {wallet.SPENDABLE}
    JOIN issuer i ON i.id = c.issuer_id JOIN acceptance a ON a.store_id = :store AND a.issuer_id = c.issuer_id
    JOIN account b2100 ON b2100.code = '2100' AND b2100.owner = c.id::text AND b2100.currency = c.currency
    JOIN balance b ON b.account_id = b2100.id
    WHERE k.digest = ANY(:digests)
""")


def code_for(db: Connection, rules: Rules, *, certificate_id: int, holder_id: int) -> str:
    """The bearer code of this certificate in this holder's hands, in groups of four; the same each time it is asked for.

    When the certificate changes hands the code dies with the old holder's, and the new holder has another. Kept only as a
    keyed hash; it is derived anew from the key each time.
    """
    which = {"certificate": certificate_id, "holder": holder_id}
    known = db.execute(_KNOWN, which).scalar()
    if known is None:
        id_ = str(uuid4())
        key_id, digest = rules.code_keys.seal(_derived(rules.code_keys, id_))
        db.execute(_MAKE, {**which, "id": id_, "digest": digest, "key_id": key_id})
        known = db.execute(_KNOWN, which).scalar_one()
    return shown(_derived(rules.code_keys, str(known)))


def find(db: Connection, rules: Rules, code: str, *, store_id: int) -> Borne | None:
    """What a typed or scanned code names, when its certificate can be spent at this store; None in every other case."""
    digests = [digest for _, digest in rules.code_keys.candidates(code)]
    row = db.execute(_FIND, {"digests": digests, "store": store_id, "zone": rules.zone}).first()
    if row is None:
        return None
    certificate_id, holder_id, issuer, currency, minor = row
    return Borne(int(certificate_id), int(holder_id), issuer, Money(minor, currency))


def read(typed: str) -> str | None:
    """The sixteen characters of a typed or scanned code with a right check character; None when it is none."""
    code = _BETWEEN.sub("", typed).upper().translate(_READ_AS)
    if len(code) != LENGTH or not set(code) <= set(ALPHABET) or _check(code[:-1]) != code[-1]:
        return None
    return code


def shown(code: str) -> str:
    """The code in groups of four, as people read it: `7KQ4-MXW2-01ZT-9H3B`."""
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def _derived(keys: CodeKeys, id_: str) -> str:
    """75 bits that nobody without the key can foresee, and their check character."""
    _, digest = keys.candidates(f"bearer code {id_}")[0]
    bits = int.from_bytes(digest) >> (len(digest) * 8 - (LENGTH - 1) * 5)
    body = "".join(ALPHABET[(bits >> shift) & 31] for shift in range((LENGTH - 2) * 5, -1, -5))
    return body + _check(body)


def _check(body: str) -> str:
    """The Luhn mod 32 character: it catches every single wrong character and nearly every swap of two neighbours."""
    total = 0
    for place, character in enumerate(reversed(body)):
        value = ALPHABET.index(character) * (2 if place % 2 == 0 else 1)
        total += value // 32 + value % 32
    return ALPHABET[-total % 32]
