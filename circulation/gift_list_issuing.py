"""Issues a paid gift list, batch after batch: certificates, offers, postings and notices by statements over whole batches.

Each batch is one transaction under the list's row, so that several workers, or one that was killed, never do a line twice.
Nobody's row is held but the list's: a certificate that did not exist before is in nobody's hands.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, Row, text

from circulation import chart, hours, ladder, law, members, notices
from circulation.codes import new_serial
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.references import new_reference
from circulation.rules import Rules
from circulation.values import pack
from storage import ledger, outbox
from storage.ledger import Entry

BATCH = 1_000
_DRAWS = 20


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a batch, and what it becomes."""

    line: int
    phone: Msisdn
    note: str
    denomination_id: int
    issuer_id: int
    prefix: str
    issuer: str
    worth: Money
    fee: Money
    gift_id: str
    purchase_id: str


_DUE = text("SELECT id::text FROM gift_list WHERE state = 'paid' AND due_at <= clock() ORDER BY due_at LIMIT :limit")
_HOLD = text("""
    UPDATE gift_list SET batches = batches + 1 WHERE id = (
        SELECT id FROM gift_list WHERE id = :id AND state = 'paid' AND due_at <= clock() FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id::text, company_id, currency, rail, reference, lines, batches, clock() AS now,
        (clock() AT TIME ZONE :zone)::date AS today
""")
_LINES = text("""
    SELECT l.line, l.msisdn, l.note, d.id, d.issuer_id, i.prefix, i.name, d.amount_minor, l.fee_minor
    FROM gift_list_line l JOIN denomination d ON d.id = l.denomination_id JOIN issuer i ON i.id = d.issuer_id
    WHERE l.list_id = :list AND l.gift_id IS NULL AND l.due_at <= clock() ORDER BY l.due_at, l.line LIMIT :batch
""")
_POSTPONE = text("""
    UPDATE gift_list_line l SET due_at = s.due_at
    FROM unnest(CAST(:lines AS int[]), CAST(:due AS timestamptz[])) AS s(line, due_at)
    WHERE l.list_id = :list AND l.line = s.line
""")
_MEET = text("""
    INSERT INTO member (msisdn, language) SELECT DISTINCT m, :language FROM unnest(CAST(:msisdns AS text[])) AS m
    ORDER BY m ON CONFLICT DO NOTHING
""")
_SPEAK = text("SELECT msisdn, id, language, sms_provider FROM member WHERE msisdn = ANY(:msisdns)")
_PURCHASES = text("""
    INSERT INTO purchase AS p (id, reference, buyer_id, denomination_id, sheets, amount_minor, fee_minor, currency, rail,
                               state, issued_at)
    SELECT s.id, s.reference, :company, s.denomination, s.sheets, s.amount_minor, s.fee_minor, :currency, :rail,
           'issued', clock()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:references AS text[]), CAST(:denominations AS int[]), CAST(:sheets AS int[]),
                CAST(:amounts AS bigint[]), CAST(:fees AS bigint[]))
         AS s(id, reference, denomination, sheets, amount_minor, fee_minor)
    ON CONFLICT (id) DO UPDATE SET sheets = p.sheets + excluded.sheets, fee_minor = p.fee_minor + excluded.fee_minor,
        amount_minor = p.amount_minor + excluded.amount_minor
""")
_CERTIFICATES = text("""
    INSERT INTO certificate (serial, issuer_id, purchase_id, holder_id, face_minor, currency, law, expires_on)
    SELECT s.serial, s.issuer, s.purchase, :company, s.face_minor, :currency, :law, :expires_on
    FROM unnest(CAST(:serials AS text[]), CAST(:issuers AS int[]), CAST(:purchases AS uuid[]), CAST(:faces AS bigint[]))
         WITH ORDINALITY AS s(serial, issuer, purchase, face_minor, place)
    ORDER BY s.place ON CONFLICT (serial) DO NOTHING RETURNING serial, id
""")
_GIFTS = text("""
    INSERT INTO gift (id, reference, issuer_id, giver_id, recipient_id, amount_minor, currency, note, state, sent_at, lapses_at)
    SELECT s.id, s.reference, s.issuer, :company, s.recipient, s.amount_minor, :currency, s.note, 'offered', clock(),
           clock() + make_interval(secs => :seconds)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:references AS text[]), CAST(:issuers AS int[]), CAST(:recipients AS bigint[]),
                CAST(:amounts AS bigint[]), CAST(:notes AS text[]))
         AS s(id, reference, issuer, recipient, amount_minor, note)
    ON CONFLICT (reference) DO NOTHING RETURNING id::text, lapses_at
""")
_SHEETS = text("""
    INSERT INTO gift_sheet (gift_id, place, certificate_id, amount_minor)
    SELECT s.gift, 1, s.certificate, s.amount_minor
    FROM unnest(CAST(:gifts AS uuid[]), CAST(:certificates AS bigint[]), CAST(:amounts AS bigint[]))
         AS s(gift, certificate, amount_minor)
""")
_OFFERED = text("""
    UPDATE gift_list_line l SET gift_id = s.gift FROM unnest(CAST(:lines AS int[]), CAST(:gifts AS uuid[])) AS s(line, gift)
    WHERE l.list_id = :list AND l.line = s.line
""")
_NEXT = text("""
    UPDATE gift_list t SET due_at = w.due_at, state = CASE WHEN w.due_at IS NULL THEN 'done' ELSE 'paid' END,
        done_at = CASE WHEN w.due_at IS NULL THEN clock() END
    FROM (SELECT min(due_at) AS due_at FROM gift_list_line WHERE list_id = :list AND gift_id IS NULL) w
    WHERE t.id = :list RETURNING t.state
""")


def due(db: Connection, *, limit: int) -> list[str]:
    """Ids of paid lists that have a line to send now."""
    return [str(id_) for (id_,) in db.execute(_DUE, {"limit": limit})]


def issue_batch(db: Connection, rules: Rules, *, list_id: str) -> int:
    """Issue and offer the next lines of a paid list; returns how many, 0 when there are none now or another worker has it.

    A phone where it is night hears of its gift the next morning. After the last line the company is told.
    """
    held = db.execute(_HOLD, {"id": list_id, "zone": rules.zone}).first()
    if held is None:
        return 0
    lines = _take(db, rules, held)
    if lines:
        certificates = _issue(db, rules, held, lines)
        until = _offer(db, rules, held, lines, certificates)
        _post(db, held, lines, certificates)
        marks = {"lines": [line.line for line in lines], "gifts": [line.gift_id for line in lines]}
        db.execute(_OFFERED, {"list": list_id, **marks})
        _tell(db, rules, held, lines, until)
    if db.execute(_NEXT, {"list": list_id}).scalar_one() == "done":
        company = members.get(db, held.company_id)
        told = {"reference": held.reference, "lines": held.lines}
        notices.send(db, company, rules.routes, notices.LIST_DONE, **told)
    return len(lines)


def _take(db: Connection, rules: Rules, held: Row[Any]) -> list[_Line]:
    """The next lines whose phones may be disturbed now; the others wait for the morning."""
    found = [_line(held, *row) for row in db.execute(_LINES, {"list": held.id, "batch": BATCH})]
    mornings: dict[int, datetime] = {}
    for line in found:
        moment = hours.next_decent(held.now, hours.zone_of(line.phone, rules.zone))
        if moment > held.now:
            mornings[line.line] = moment
    if mornings:
        db.execute(_POSTPONE, {"list": held.id, "lines": list(mornings), "due": list(mornings.values())})
    return [line for line in found if line.line not in mornings]


def _line(held: Row[Any], line: int, msisdn: str, note: str, denomination: int, *rest: Any) -> _Line:
    issuer_id, prefix, issuer, worth, fee = rest
    return _Line(
        line,
        Msisdn(msisdn),
        note,
        denomination,
        issuer_id,
        prefix,
        issuer,
        Money(worth, held.currency),
        Money(fee, held.currency),
        gift_id=str(uuid5(NAMESPACE_URL, f"giftline:gift list:{held.id}:{line}")),
        purchase_id=str(uuid5(NAMESPACE_URL, f"giftline:gift list purchase:{held.id}:{denomination}")),
    )


def _issue(db: Connection, rules: Rules, held: Row[Any], lines: Sequence[_Line]) -> dict[int, int]:
    """The certificate of each line, by its number. One purchase for each denomination grows with every batch."""
    sold = {line.denomination_id: line for line in lines}
    sheets = Counter(line.denomination_id for line in lines)
    purchases = {
        "ids": [line.purchase_id for line in sold.values()],
        "references": [new_reference() for _ in sold],
        "denominations": list(sold),
        "sheets": [sheets[denomination] for denomination in sold],
        "amounts": [(line.worth * sheets[denomination]).amount_minor for denomination, line in sold.items()],
        "fees": [(line.fee * sheets[denomination]).amount_minor for denomination, line in sold.items()],
    }
    payer = {"company": held.company_id, "currency": held.currency}
    db.execute(_PURCHASES, {**purchases, **payer, "rail": held.rail})
    in_force = rules.laws.in_force(rules.law_pack, held.today)
    terms = {"law": in_force.id, "expires_on": law.expires_on(in_force, held.today)}
    made: dict[int, int] = {}
    for _ in range(_DRAWS):
        missing = {new_serial(line.prefix): line for line in lines if line.line not in made}
        if not missing:
            return made
        columns = {
            "serials": list(missing),
            "issuers": [line.issuer_id for line in missing.values()],
            "purchases": [line.purchase_id for line in missing.values()],
            "faces": [line.worth.amount_minor for line in missing.values()],
        }
        for serial, certificate in db.execute(_CERTIFICATES, {**columns, **payer, **terms}):
            made[missing[serial].line] = int(certificate)
    raise RuntimeError("nearly every serial is in use")


def _offer(
    db: Connection, rules: Rules, held: Row[Any], lines: Sequence[_Line], certificates: Mapping[int, int]
) -> dict[str, datetime]:
    """The offers, each with the end of its time to answer, by gift."""
    msisdns = [line.phone.e164 for line in lines]
    db.execute(_MEET, {"msisdns": msisdns, "language": members.get(db, held.company_id).language})
    recipients = {row.msisdn: row.id for row in db.execute(_SPEAK, {"msisdns": msisdns})}
    payer = {"company": held.company_id, "currency": held.currency, "seconds": rules.gift_lapse_seconds}
    until: dict[str, datetime] = {}
    for _ in range(_DRAWS):
        missing = [line for line in lines if line.gift_id not in until]
        if not missing:
            break
        columns = {
            "ids": [line.gift_id for line in missing],
            "references": [new_reference() for _ in missing],
            "issuers": [line.issuer_id for line in missing],
            "recipients": [recipients[line.phone.e164] for line in missing],
            "amounts": [line.worth.amount_minor for line in missing],
            "notes": [line.note for line in missing],
        }
        until.update((id_, lapses_at) for id_, lapses_at in db.execute(_GIFTS, {**columns, **payer}))
    sheets = {
        "gifts": [line.gift_id for line in lines],
        "certificates": [certificates[line.line] for line in lines],
        "amounts": [line.worth.amount_minor for line in lines],
    }
    db.execute(_SHEETS, sheets)
    return until


def _post(db: Connection, held: Row[Any], lines: Sequence[_Line], certificates: Mapping[int, int]) -> None:
    """Three journal entries for the batch: out of the pool, issued, offered."""
    price = sum((line.worth + line.fee for line in lines), start=Money(0, held.currency))
    ledger.post(db, f"{held.id}:released:{held.batches}", chart.pool_complete(held.id, price))
    sold: dict[tuple[Money, Money], list[int]] = {}
    for line in lines:
        sold.setdefault((line.worth, line.fee), []).append(certificates[line.line])
    issued = [chart.issued(made, worth, fee) for (worth, fee), made in sold.items()]
    ledger.post(db, f"{held.id}:issued:{held.batches}", _together(issued))
    offered = [chart.gift_offered({certificates[line.line]: line.worth}, line.gift_id) for line in lines]
    ledger.post(db, f"{held.id}:offered:{held.batches}", _together(offered))


def _together(entries: Sequence[Entry]) -> Entry:
    """Many entries of one kind and currency as one."""
    return Entry(entries[0].kind, entries[0].currency, tuple(chain.from_iterable(entry.lines for entry in entries)))


def _tell(db: Connection, rules: Rules, held: Row[Any], lines: Sequence[_Line], until: Mapping[str, datetime]) -> None:
    """Every recipient hears of their gift, in their language and by whoever carries their texts."""
    company = members.get(db, held.company_id)
    known = {row.msisdn: row for row in db.execute(_SPEAK, {"msisdns": [line.phone.e164 for line in lines]})}
    rows = []
    for line in lines:
        if not rules.routes.carries("sms", line.phone):
            ladder.offer(db, rules, line.gift_id)
            continue
        to, holes = known[line.phone.e164], _told(rules, line, company.name, until[line.gift_id])
        sentence = notices.GIFT_WAITS if line.note else notices.GIFT_WAITS_NO_NOTE
        provider = rules.routes.first("sms", line.phone, to.sms_provider)
        rows.append(outbox.Row(provider, to.msisdn, to.language, sentence, holes, purpose="gift", gift_id=line.gift_id))
    outbox.put(db, rows)


def _told(rules: Rules, line: _Line, giver: str, until: datetime) -> dict[str, Any]:
    note = {"note": line.note} if line.note else {}
    amount, service_code = line.worth, rules.service_code
    return pack(
        {"giver": giver, "issuer": line.issuer, "amount": amount, "service_code": service_code, "until": until, **note}
    )
