"""Value that comes back from a hold or from a store: to which certificate of whoever used it.

It belonged to who used it, and goes back to them. It goes on the certificate it came from while they hold that, it has not
expired and is not offered as a gift. Otherwise it goes on a fresh certificate of theirs from the same issuer and purchase:
with the last day of the old one, or if that is over, issued under the law in force as if bought today. So value that was
given away meanwhile stays with its recipient, and nobody loses any to a date.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from circulation import law, wallet
from circulation.codes import new_serial
from circulation.money import Money
from circulation.rules import Rules

_LOCK = text("""
    SELECT FROM certificate WHERE id = ANY(:certificates) OR returned_from = ANY(:certificates) ORDER BY id FOR NO KEY UPDATE
""")
_HOMES = text(f"""
    SELECT DISTINCT ON (origin.id) origin.id, c.id
    FROM certificate origin JOIN certificate c ON c.id = origin.id OR c.returned_from = origin.id
    WHERE origin.id = ANY(:certificates) AND c.holder_id = :holder AND {wallet.SPENDABLE}
      AND NOT EXISTS (SELECT FROM gift_sheet s WHERE s.certificate_id = c.id AND s.open)
    ORDER BY origin.id, c.id
""")
_ORIGIN = text("""
    SELECT i.prefix, c.law, c.expires_on, c.extensions, (clock() AT TIME ZONE :zone)::date
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id WHERE c.id = :certificate
""")
_FRESH = text("""
    INSERT INTO certificate (serial, issuer_id, purchase_id, holder_id, face_minor, currency, law, expires_on, extensions,
                             returned_from)
    SELECT :serial, issuer_id, purchase_id, :holder, face_minor, currency, :law, :expires_on, :extensions, id
    FROM certificate WHERE id = :certificate RETURNING id
""")


def homes(db: Connection, rules: Rules, holder_id: int, parts: Mapping[int, Money]) -> dict[int, Money]:
    """What comes back, by the certificate it came from, as the certificates it goes to. The caller holds the holder's row."""
    values = {"certificates": list(parts), "holder": holder_id, "zone": rules.zone}
    db.execute(_LOCK, values)
    found = {int(origin): int(home) for origin, home in db.execute(_HOMES, values)}
    back: dict[int, Money] = {}
    for certificate, amount in parts.items():
        home = found.get(certificate) or _fresh(db, rules, holder_id, certificate)
        back[home] = amount + back[home] if home in back else amount
    return back


def _fresh(db: Connection, rules: Rules, holder_id: int, certificate: int) -> int:
    origin = {"certificate": certificate, "zone": rules.zone}
    prefix, law_id, expires_on, extensions, today = db.execute(_ORIGIN, origin).one()
    if expires_on is not None and expires_on < today:
        in_force = rules.laws.in_force(rules.law_pack, today)
        law_id, expires_on, extensions = in_force.id, law.expires_on(in_force, today), 0
    fresh = {
        "serial": new_serial(prefix),
        "holder": holder_id,
        "law": law_id,
        "expires_on": expires_on,
        "extensions": extensions,
        "certificate": certificate,
    }
    return int(db.execute(_FRESH, fresh).scalar_one())
