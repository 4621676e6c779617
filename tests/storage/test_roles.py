"""The four roles: what each kind of process may do, and what it is refused, tried on the database itself."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from bot.embedded import Servers
from circulation import books
from circulation.stocking import DEMO, stock
from storage import inbox, ledger, seals
from storage.database import driver_url, migrate
from storage.ledger import BalanceTooLow, Entry, Line
from storage.roles import Role
from tests.conftest import copied

RIGHTS = """
table            web      worker   console  auditor
acceptance       R        R        RI       R
account          R        R        R        R
alembic_version  R        R        R        R
attempt_counter  RIuD     -        -        -
balance          R        R        R        R
bank_line        -        RIu      RIu      R
bank_statement   -        RI       RI       R
bearer_code      RI       -        -        -
callback         RI       RD       R        R
certificate      RIu      RIu      RIu      R
charge           RIu      RIu      rIu      r
clerk            R        -        Riu      r
code_certificate RI       R        R        R
content          R        R        RIu      -
conversation     RIu      rD       -        -
denomination     R        R        Riu      R
dispute          R        RIu      R        R
dispute_hold     R        RIu      R        R
extension        RI       R        R        R
gift             RIu      RIu      rI       r
gift_content     RI       R        R        -
gift_list        R        Ru       RIu      R
gift_list_line   r        Ru       rI       r
gift_redirect    RI       RI       -        -
gift_sheet       RIu      RIu      RI       R
group_gift       RIu      Ru       ru       r
group_part       RIu      Ru       Ru       R
inbox            RIu      rD       -        -
incident         RIu      RIu      RIu      R
issuer           R        R        Riu      R
journal_entry    R        R        R        R
journal_seal     -        RI       -        R
media            RIu      RID      RI       -
member           Riu      riu      riu      r
name_check       RI       RuD      -        -
notice_given     -        -        -        R
opt_out          RID      RI       R        -
outbox           ri       Riu      i        -
payment          R        RIu      RIu      R
payment_request  RIu      -        -        -
poll_mark        RIu      -        -        -
posting          R        R        R        R
purchase         RIu      RIu      RIu      R
receipt          -        R        -        -
redemption       RIu      Ru       R        R
redemption_code  RIu      ru       ru       r
redemption_part  RIu      Ru       R        R
redemption_tombstone RI      R        R        R
refund           RIu      RIu      RIu      R
reminder         R        RIu      R        R
rendition        R        R        RID      -
seal_mark        -        Ru       -        -
sending_tally    RIu      RIuD     RIu      -
store            R        R        Riu      R
store_payout     -        Ru       Riu      R
store_return     RI       R        R        R
"""
"""Read, Insert, Update, Delete; small where only some columns are meant; - for nothing at all."""

FUNCTIONS = {
    "clock": {Role.WEB, Role.WORKER, Role.CONSOLE, Role.AUDITOR},
    "guarded": {Role.WEB, Role.WORKER, Role.CONSOLE, Role.AUDITOR},
    "post_entry": {Role.WEB, Role.WORKER, Role.CONSOLE},
    "take_message": {Role.WEB},
    "record_receipt": {Role.WEB, Role.WORKER},
    "ledger_is_append_only": set[Role](),
}

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture
def owner(database_url: str) -> Iterator[Engine]:
    engine = create_engine(driver_url(database_url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def untouched(servers: Servers, template: str) -> Iterator[Engine]:
    """A database for those who are refused: they leave it as it was."""
    with copied(servers, template) as url:
        engine = create_engine(driver_url(url))
        yield engine
        engine.dispose()


@contextmanager
def under(engine: Engine, role: Role) -> Iterator[Connection]:
    with engine.begin() as db:
        db.execute(text(f"SET LOCAL ROLE {role}"))
        yield db


def letters(db: Connection, table: str, role: Role) -> str:
    """The rights of a role on a table, as they are written above."""
    whole = text("SELECT has_table_privilege(:role, :table, :verb)")
    some = text("SELECT has_any_column_privilege(:role, :table, :verb)")
    found = ""
    for verb in VERBS:
        key = {"role": role, "table": f"public.{table}", "verb": verb}
        letter = "R" if verb == "SELECT" else verb[0]
        if db.execute(whole, key).scalar_one():
            found += letter
        elif verb in ("SELECT", "INSERT", "UPDATE", "REFERENCES") and db.execute(some, key).scalar_one():
            found += letter.lower()
    return found or "-"


def test_every_table_has_its_rights_decided(owner: Engine) -> None:
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"
    decided = {name: tuple(rights) for name, *rights in map(str.split, RIGHTS.strip().splitlines()[1:])}
    with owner.begin() as db:
        found = {table: tuple(letters(db, table, role) for role in Role) for (table,) in db.execute(text(tables))}
    assert found == decided


def test_every_function_has_its_rights_decided_and_nobody_else_may_call_it(owner: Engine) -> None:
    allowed = text("""
        SELECT p.proname, r.rolname FROM pg_proc p CROSS JOIN pg_roles r
        WHERE p.pronamespace = 'public'::regnamespace AND r.rolname LIKE 'giftline\\_%'
          AND has_function_privilege(r.oid, p.oid, 'EXECUTE')""")
    with owner.begin() as db:
        names = db.execute(text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")).scalars()
        found = {name: set[str]() for name in names}
        for name, role in db.execute(allowed):
            found[name].add(role)
    assert found == FUNCTIONS


def test_only_the_worker_sees_how_far_the_journal_has_counted_and_nobody_moves_a_sequence(owner: Engine) -> None:
    allowed = text("""
        SELECT c.relname, r.rolname, verb FROM pg_class c CROSS JOIN pg_roles r, unnest(ARRAY['SELECT', 'USAGE', 'UPDATE']) verb
        WHERE c.relkind = 'S' AND r.rolname LIKE 'giftline\\_%' AND has_sequence_privilege(r.oid, c.oid, verb)""")
    with owner.begin() as db:
        found = [tuple(row) for row in db.execute(allowed)]
    assert found == [("journal_entry_id_seq", Role.WORKER, "SELECT")]


def test_the_one_role_of_before_can_do_nothing_any_more(owner: Engine) -> None:
    with owner.begin() as db:
        granted = text("""
            SELECT (SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'giftline_app')
                 + (SELECT count(*) FROM information_schema.role_column_grants WHERE grantee = 'giftline_app')
                 + (SELECT count(*) FROM information_schema.role_routine_grants WHERE grantee = 'giftline_app')""")
        assert db.execute(granted).scalar_one() == 0


HIDDEN = [
    (role, f"{column} of {table}", f"SELECT {column} FROM {table}")
    for table, column, roles in (
        ("member", "pin_hash", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("member", "msisdn", (Role.AUDITOR,)),
        ("member", "name", (Role.AUDITOR,)),
        ("clerk", "msisdn", (Role.WORKER, Role.AUDITOR)),
        ("redemption_code", "digest", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("redemption_code", "key_id", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("charge", "code", (Role.CONSOLE, Role.AUDITOR)),
        ("charge", "link", (Role.AUDITOR,)),
        ("gift", "note", (Role.CONSOLE, Role.AUDITOR)),
        ("group_gift", "note", (Role.CONSOLE, Role.AUDITOR)),
        ("gift_list_line", "note", (Role.WEB, Role.CONSOLE, Role.AUDITOR)),
        ("conversation", "body", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("inbox", "reply", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("inbox", "key", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("outbox", "holes", (Role.WEB, Role.CONSOLE, Role.AUDITOR)),
        ("bearer_code", "digest", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("outbox", "sentence", (Role.WEB, Role.CONSOLE, Role.AUDITOR)),
        ("attempt_counter", "subject", (Role.WORKER, Role.CONSOLE, Role.AUDITOR)),
        ("name_check", "name", (Role.CONSOLE, Role.AUDITOR)),
        ("bank_line", "counterparty", (Role.WEB,)),
        ("journal_seal", "digest", (Role.WEB, Role.CONSOLE)),
    )
    for role in roles
]


@pytest.mark.parametrize(("role", "what", "statement"), HIDDEN, ids=[f"{role.name} {what}" for role, what, _ in HIDDEN])
def test_what_is_none_of_its_business_a_role_cannot_read(
    untouched: Engine, role: Role, what: str, statement: str
) -> None:
    refused(untouched, role, statement)


PAST = [
    (role, statement)
    for role in Role
    for statement in (
        "INSERT INTO journal_entry (operation_id, kind, currency) VALUES ('x', 'gift', 'KES')",
        "INSERT INTO posting (entry_id, account_id, amount_minor) SELECT entry_id, account_id, 1 FROM posting",
        "INSERT INTO account (code, currency) VALUES ('2050', 'UGX')",
        "INSERT INTO balance SELECT id, 5 FROM account",
        "UPDATE journal_entry SET kind = 'nothing happened'",
        "UPDATE posting SET amount_minor = amount_minor * 2",
        "UPDATE account SET owner = 'me'",
        "UPDATE balance SET amount_minor = amount_minor + 1",
        "UPDATE journal_seal SET place = place + 1",
        "DELETE FROM journal_entry",
        "DELETE FROM posting",
        "DELETE FROM balance",
        "DELETE FROM journal_seal",
        "TRUNCATE posting",
        "ALTER TABLE posting DISABLE TRIGGER append_only",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version SET version_num = '0001'",
    )
]


@pytest.mark.parametrize(("role", "statement"), PAST, ids=[f"{role.name} {statement}" for role, statement in PAST])
def test_no_role_has_a_way_to_the_past(untouched: Engine, role: Role, statement: str) -> None:
    refused(untouched, role, statement)


POST = "SELECT post_entry('x', 'gift', 'KES', ARRAY['2050', '2200'], ARRAY['', '7'], ARRAY[5, -5])"
SEAL = "INSERT INTO journal_seal (place, entry_id, digest) VALUES (1, 1, sha256(''))"
TAKE = "SELECT take_message('twilio', 'x', 'x')"
PAY_OUT = "INSERT INTO store_payout (id) VALUES (gen_random_uuid())"
ACTS = [
    (Role.WEB, "says that a text was sent", "UPDATE outbox SET state = 'sent'"),
    (
        Role.WEB,
        "writes a receipt past its function",
        "INSERT INTO receipt (provider, provider_id, state) VALUES ('t', 'x', 'sent')",
    ),
    (Role.WEB, "seals the journal", SEAL),
    (Role.WEB, "moves the mark of sealing", "UPDATE seal_mark SET floor = 1000"),
    (Role.WEB, "sets a price", "UPDATE denomination SET fee_minor = 0"),
    (Role.WEB, "opens a store", "INSERT INTO store (name, commission_bps) VALUES ('mine', 0)"),
    (Role.WEB, "changes a commission", "UPDATE store SET commission_bps = 0"),
    (Role.WEB, "makes itself a clerk", "INSERT INTO clerk (store_id, msisdn, name) VALUES (1, '+254700000000', 'me')"),
    (
        Role.WEB,
        "says that money came in",
        "INSERT INTO payment (id, rail, receipt, amount_minor, currency) SELECT gen_random_uuid(), 'bank', 'x', 1, 'KES'",
    ),
    (Role.WEB, "imports a statement", "INSERT INTO bank_statement (account, name, currency) VALUES ('a', 'n', 'KES')"),
    (Role.WEB, "forgets a conversation", "DELETE FROM conversation"),
    (Role.WEB, "forgets a message", "DELETE FROM inbox"),
    (Role.WEB, "deletes a charge", "DELETE FROM charge"),
    (Role.WEB, "deletes a member", "DELETE FROM member"),
    (Role.WEB, "changes what was charged", "UPDATE charge SET amount_minor = 1"),
    (Role.WEB, "changes a purchase's amount", "UPDATE purchase SET amount_minor = 1"),
    (Role.WEB, "changes a certificate's face", "UPDATE certificate SET face_minor = 1"),
    (Role.WEB, "moves a member's number", "UPDATE member SET msisdn = '+254700000000'"),
    (Role.WORKER, "sets a PIN", "UPDATE member SET pin_hash = 'x'"),
    (Role.WORKER, "makes a member with a PIN", "INSERT INTO member (msisdn, pin_hash) VALUES ('+254700000000', 'x')"),
    (Role.WORKER, "sets a price", "UPDATE denomination SET fee_minor = 0"),
    (Role.WORKER, "changes a commission", "UPDATE store SET commission_bps = 0"),
    (Role.WORKER, "makes a code", "INSERT INTO redemption_code (id) VALUES (gen_random_uuid())"),
    (Role.WORKER, "uses a certificate", "INSERT INTO redemption (id) VALUES (gen_random_uuid())"),
    (Role.WORKER, "takes a message", TAKE),
    (Role.WORKER, "writes a conversation", "UPDATE conversation SET body = ''"),
    (Role.WORKER, "clears attempts", "DELETE FROM attempt_counter"),
    (Role.WORKER, "deletes a text", "DELETE FROM outbox"),
    (Role.WORKER, "sends a text to somebody else", "UPDATE outbox SET address = '+254700000000'"),
    (Role.WORKER, "deletes a charge", "DELETE FROM charge"),
    (Role.WORKER, "changes what came in", "UPDATE payment SET amount_minor = 1"),
    (Role.WORKER, "changes what goes back", "UPDATE refund SET amount_minor = 1"),
    (Role.CONSOLE, "takes a message", TAKE),
    (Role.CONSOLE, "answers a gift", "UPDATE gift SET state = 'accepted'"),
    (Role.CONSOLE, "makes a code", "INSERT INTO redemption_code (id) VALUES (gen_random_uuid())"),
    (Role.CONSOLE, "uses a certificate", "INSERT INTO redemption (id) VALUES (gen_random_uuid())"),
    (Role.CONSOLE, "sets a PIN", "UPDATE member SET pin_hash = 'x'"),
    (Role.CONSOLE, "clears attempts", "DELETE FROM attempt_counter"),
    (Role.CONSOLE, "says that a text was sent", "UPDATE outbox SET state = 'sent'"),
    (Role.CONSOLE, "seals the journal", SEAL),
    (Role.CONSOLE, "changes a line of the bank", "UPDATE bank_line SET amount_minor = 1"),
    (Role.CONSOLE, "deletes a statement", "DELETE FROM bank_statement"),
    (Role.CONSOLE, "deletes an incident", "DELETE FROM incident"),
    (Role.WEB, "starts a payout", PAY_OUT),
    (Role.WEB, "looks at payouts", "SELECT state FROM store_payout"),
    (Role.WEB, "marks a payout", "UPDATE store_payout SET state = 'paid'"),
    (Role.WORKER, "starts a payout", PAY_OUT),
    (Role.WORKER, "changes what is paid out", "UPDATE store_payout SET amount_minor = 1"),
    (Role.CONSOLE, "changes what is paid out", "UPDATE store_payout SET amount_minor = 1"),
    (Role.CONSOLE, "pays another store", "UPDATE store_payout SET store_id = 1"),
    (
        Role.CONSOLE,
        "starts a payout that is paid",
        "INSERT INTO store_payout (id, state) VALUES (gen_random_uuid(), 'paid')",
    ),
    (Role.CONSOLE, "deletes a payout", "DELETE FROM store_payout"),
    (Role.AUDITOR, "starts a payout", PAY_OUT),
    (Role.AUDITOR, "marks a payout", "UPDATE store_payout SET state = 'paid'"),
    (Role.AUDITOR, "posts", POST),
    (Role.AUDITOR, "seals the journal", SEAL),
    (Role.AUDITOR, "takes a message", TAKE),
    (Role.AUDITOR, "asks for a refund", "INSERT INTO refund (id) VALUES (gen_random_uuid())"),
    (Role.AUDITOR, "closes an incident", "UPDATE incident SET closed_at = clock()"),
    (
        Role.AUDITOR,
        "files a text",
        "INSERT INTO outbox (provider, address, sentence) VALUES ('t', '+254700000000', 'x')",
    ),
    (Role.AUDITOR, "locks a row", "SELECT FROM certificate FOR SHARE"),
]


@pytest.mark.parametrize(("role", "act", "statement"), ACTS, ids=[f"{role.name} {act}" for role, act, _ in ACTS])
def test_what_a_role_may_not_do_is_refused(untouched: Engine, role: Role, act: str, statement: str) -> None:
    refused(untouched, role, statement)


def refused(database: Engine, role: Role, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), under(database, role) as db:
        db.exec_driver_sql(statement)


@pytest.mark.parametrize("role", [Role.WEB, Role.WORKER, Role.CONSOLE])
def test_those_who_do_business_may_post(owner: Engine, role: Role) -> None:
    with under(owner, role) as db:
        assert db.execute(text(POST)).scalar_one() is True


def test_the_web_takes_messages_and_keeps_receipts_and_the_worker_forgets(owner: Engine) -> None:
    with under(owner, Role.WEB) as db:
        assert inbox.take(db, "twilio", "x", b"person").fresh
        assert db.execute(text("SELECT record_receipt('twilio', 'x', 0, 'sent', '')")).scalar_one() is False
    with under(owner, Role.WORKER) as db:
        assert db.execute(text("SELECT count(*) FROM receipt")).scalar_one() == 1
        assert (inbox.purge(db, days=-1), inbox.forget_places(db, seconds=-1)) == (1, 1)


def test_the_console_stocks_the_catalogue(owner: Engine) -> None:
    with under(owner, Role.CONSOLE) as db:
        assert stock(db, Path(DEMO) / "KE.toml").issuers > 0


def test_the_worker_seals_and_the_auditor_verifies_and_reads_the_books(owner: Engine) -> None:
    with under(owner, Role.WEB) as db:
        db.execute(text(POST))
    with under(owner, Role.WORKER) as db:
        assert seals.seal(db, 10) == 1
        head = seals.head(db)
    with under(owner, Role.AUDITOR) as db:
        assert seals.verify(db, [head]).ok
        assert {total.code for total in books.read(db).totals} == {"2050", "2200"}


def test_a_table_of_ones_own_cannot_stand_in_for_the_balances(owner: Engine) -> None:
    with under(owner, Role.WEB) as db:
        for table in ("balance", "account", "journal_entry", "posting"):
            db.execute(text(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table})"))
            db.execute(text(f"GRANT ALL ON {table} TO PUBLIC"))
    spend = Entry("gift offered", "KES", (Line("2100", "1", 500), Line("2110", "g", -500)))
    with pytest.raises(BalanceTooLow), under(owner, Role.WEB) as db:
        ledger.post(db, "x", spend)


@pytest.fixture
def login(owner: Engine, database_url: str) -> Iterator[Engine]:
    """A login of its own for the web processes: it may be giftline_web, and nobody else."""
    name = f"web_{secrets.token_hex(4)}"
    with owner.begin() as db:
        db.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'x' IN ROLE {Role.WEB}"))
    url = make_url(driver_url(database_url)).set(username=name, password="x")
    engine = create_engine(url, connect_args={"options": f"-c role={Role.WEB}"})
    yield engine
    engine.dispose()
    with owner.begin() as db:
        db.execute(text(f"DROP ROLE {name}"))


def test_a_login_of_one_role_cannot_become_another(login: Engine) -> None:
    with login.begin() as db:
        assert db.execute(text(POST)).scalar_one() is True
    for role in (Role.WORKER, Role.CONSOLE, Role.AUDITOR, "app"):
        with pytest.raises(ProgrammingError, match="permission denied to set role"), login.begin() as db:
            db.execute(text(f"SET ROLE {role}"))
    with pytest.raises(ProgrammingError, match="permission denied"), login.begin() as db:
        db.execute(text("RESET ROLE; UPDATE balance SET amount_minor = 5"))


def test_a_login_of_one_role_finds_the_schema_up_to_date(login: Engine) -> None:
    migrate(login.url.render_as_string(hide_password=False))


def test_another_database_of_the_same_server_finds_the_roles_made(servers: Servers, owner: Engine) -> None:
    with copied(servers, "template0") as url:
        migrate(url)
        other = create_engine(driver_url(url))
        with under(other, Role.WEB) as db:
            assert db.execute(text(POST)).scalar_one() is True
        other.dispose()
    with under(owner, Role.WEB) as db:
        assert db.execute(text(POST)).scalar_one() is True
