"""Turns through HTTP: what they cost beside the barest turn, and how many move value beside the ledger alone."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from uuid import uuid4

import psycopg
from sqlalchemy import text

from bot.app import build_services
from bot.dialog import Flow
from flows.buy import Buy
from flows.help import Help
from flows.menu import Menu
from flows.more import PLACES, More
from phones.handset import Network
from tests.bench.ledger import CLIENTS, LedgerAlone
from tests.bench.load import Hop, hop, play
from tests.bench.measure import Result, Size, Wrong, alternate
from tests.bench.site import Site, Web
from tests.people import People

CONNECTIONS = 32


def _screen(flow: type[Flow], step: str) -> str:
    """How the answer that shows a step begins, as far as it is the same for everybody."""
    return f"CON {flow.step[step].sentence.partition('{')[0]}"


HOME = _screen(Menu, "menu")
MORE = _screen(More, "more")
TOPICS = _screen(Help, "topics")
READING = (("", HOME), ("5", MORE), (str(len(PLACES)), TOPICS))
"""Dialled before the clock starts: what a member types, and how the screens begin."""
FIXED = (("1", _screen(Help, "buying")), ("0", TOPICS))
FIXED_HOPS = 20
BROWSING = (
    ("", HOME),
    ("1", _screen(Buy, "kind")),
    ("1", _screen(Buy, "issuer")),
    ("1", _screen(Buy, "price")),
    ("00", HOME),
)

_MEMBERS = """
    INSERT INTO member (msisdn, name, joined_at) SELECT '+2547' || n, 'Amina', now() FROM generate_series(%s, %s) n
"""
_OFFERS = """
    WITH known AS (
        INSERT INTO member (msisdn) SELECT '+2547' || n FROM generate_series(%(first)s, %(last)s) n RETURNING id
    ), numbered AS (
        SELECT r.id, c.certificate FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM known) r
        JOIN unnest(CAST(%(certificates)s AS bigint[])) WITH ORDINALITY AS c(certificate, place) USING (place)
    ), minted AS MATERIALIZED (
        SELECT gen_random_uuid() AS gift, n.id AS recipient, n.certificate, c.issuer_id
        FROM numbered n JOIN certificate c ON c.id = n.certificate
    ), gifts AS (
        INSERT INTO gift (id, reference, issuer_id, giver_id, recipient_id, amount_minor, currency, note, sent_at, lapses_at)
        SELECT gift, 'BENCH' || certificate, issuer_id, %(giver)s, recipient, 50000, 'KES', '', now(), now() + interval '1 day'
        FROM minted
    ), offered AS (
        INSERT INTO gift_sheet (gift_id, place, certificate_id, amount_minor)
        SELECT gift, 1, certificate, 50000 FROM minted RETURNING gift_id, certificate_id
    )
    SELECT post_entry('offers ' || %(first)s, 'gift offered', 'KES', array_agg(l.code ORDER BY l.code),
                      array_agg(l.owner ORDER BY l.code), array_agg(l.amount ORDER BY l.code))
    FROM offered,
         LATERAL (VALUES ('2100', certificate_id::text, 50000), ('2110', gift_id::text, -50000)) AS l(code, owner, amount)
"""
_ACCEPTED = text("SELECT count(*) FROM gift WHERE state = 'accepted'")


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a round of turns took: microseconds of CPU for each, and turns a second."""

    cpu: float
    rate: float


def fixed_screens(site: Site, size: Size) -> list[Result]:
    """USSD turns between screens of fixed words (the help), which read nothing from SQL."""
    return _beside_the_floor(site, size, "menu turn, fixed words", READING, FIXED * (FIXED_HOPS // 2))


def browsing(site: Site, size: Size) -> list[Result]:
    """USSD turns of somebody who dials and looks at what can be bought: every screen reads SQL."""
    return _beside_the_floor(site, size, "menu turn, read from SQL", (), BROWSING)


def gifts(site: Site, size: Size) -> list[Result]:
    """Texts that accept a gift: filed, answered, posted, both sides told; against the call to the ledger alone."""
    services = build_services(site.settings())
    people = People(services)
    giver, network = people.member(), Network(services.settings)
    alone = LedgerAlone(site, "gifts_floor")
    played = 0

    def accepted(web: Web) -> float:
        nonlocal played
        first = site.next_number(size.per_round)
        certificates = people.certificates(giver, size.per_round)
        offered = {"first": first, "last": first + size.per_round - 1, "certificates": certificates, "giver": giver.id}
        with psycopg.connect(site.database_url) as connection:
            connection.execute(_OFFERS, offered)
        hops = [_text_one(network, f"+2547{first + place}") for place in range(size.per_round)]
        seconds = play(web.port, [hops[line::CLIENTS] for line in range(CLIENTS)])
        played += size.per_round
        return size.per_round / seconds

    with site.web("bot.web") as web:
        rounds = alternate(size, lambda: accepted(web), lambda: alone.by_pgbench(size.per_round))
    with services.database.begin() as db:
        if db.execute(_ACCEPTED).scalar_one() != played or not people.books_in_order():
            raise Wrong("gifts were lost or doubled")
    services.database.close()
    what, against = "gift accepted by text, through HTTP", "post_entry alone, called by pgbench"
    return [Result(what, against, "a second", ("at least", 0.5), rounds)]


def _beside_the_floor(
    site: Site, size: Size, what: str, before: Sequence[tuple[str, str]], timed: Sequence[tuple[str, str]]
) -> list[Result]:
    """Dialogs of members, one after the other on each connection; the hops of `before` are not counted."""
    network = Network(site.settings())
    people = CONNECTIONS * max(1, size.per_round // (CONNECTIONS * len(timed)))
    turns = people * len(timed)

    def sample(web: Web, *, bare: bool) -> _Spent:
        played = [_dialog(network, phone, [*before, *timed]) for phone in _new_members(site, people)]
        if bare:
            played = [[replace(one, begins=b"CON ") for one in dialog] for dialog in played]
        if before:
            play(web.port, _in_lines([dialog[: len(before)] for dialog in played]))
        cpu = site.cpu_seconds(web)
        seconds = play(web.port, _in_lines([dialog[len(before) :] for dialog in played]))
        return _Spent((site.cpu_seconds(web) - cpu) * 1e6 / turns, turns / seconds)

    with ExitStack() as stack:
        ours = stack.enter_context(site.web("bot.web"))
        floor = stack.enter_context(site.web("tests.bench.floor"))
        rounds = alternate(size, lambda: sample(ours, bare=False), lambda: sample(floor, bare=True))
    against = "bare Flask, load and compare-and-set"
    cpu = [(ours.cpu, floor.cpu) for ours, floor in rounds]
    rates = [(ours.rate, floor.rate) for ours, floor in rounds]
    return [
        Result(what, against, "us of CPU", ("at most", 1.25), cpu),
        Result(what, against, "a second", ("at least", 0.8), rates),
    ]


def _new_members(site: Site, number: int) -> list[str]:
    """Phones of people who have joined, and were never seen before."""
    first = site.next_number(number)
    with psycopg.connect(site.database_url) as connection:
        connection.execute(_MEMBERS, (first, first + number - 1))
    return [f"+2547{first + place}" for place in range(number)]


def _dialog(network: Network, phone: str, said: Sequence[tuple[str, str]]) -> list[Hop]:
    """One session as the network repeats it: each hop carries everything typed so far."""
    session, typed, hops = f"ATUid_{uuid4().hex}", [], []
    for words, screen in said:
        typed += [words] if words else []
        fields = {"sessionId": session, "phoneNumber": phone, "networkCode": "99999", "text": "*".join(typed)}
        form = network.africastalking("ussd", fields | {"serviceCode": network.settings.service_code})
        hops.append(hop(form, screen))
    return hops


def _in_lines(dialogs: Sequence[Sequence[Hop]]) -> list[list[Hop]]:
    """Dialogs shared out among the connections, one after the other on each."""
    return [[hop for dialog in dialogs[line::CONNECTIONS] for hop in dialog] for line in range(CONNECTIONS)]


def _text_one(network: Network, phone: str) -> Hop:
    fields = {"id": str(uuid4()), "from": phone, "to": "22384", "text": "1", "networkCode": "99999"}
    return hop(network.africastalking("sms", fields), "")
