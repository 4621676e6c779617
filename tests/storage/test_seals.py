"""The sealed journal: every entry has its place, and whoever alters the past, with every right, is named by the verifier."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from storage import ledger, seals
from storage.database import driver_url
from storage.ledger import BalanceTooLow, Entry, Line
from storage.roles import Role
from storage.seals import AnchorsUnreadable, Fault, Head, Verdict

TEN = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


class Books:
    """A database in which things are posted, sealed, verified and tampered with, each by whoever does it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def under(self, role: Role) -> Iterator[Connection]:
        with self.engine.begin() as db:
            db.execute(text(f"SET LOCAL ROLE {role}"))
            yield db

    def post(self, *lines: tuple[str, str, int], operation: str, kind: str = "gift offered") -> None:
        with self.under(Role.WEB) as db:
            ledger.post(db, operation, Entry(kind, "KES", tuple(Line(*line) for line in lines)))

    def seal(self, limit: int = 100) -> int:
        with self.under(Role.WORKER) as db:
            return seals.seal(db, limit)

    def head(self) -> Head:
        with self.under(Role.WORKER) as db:
            return seals.head(db)

    def verify(self, *anchors: Head, clock_offset: str = "") -> Verdict:
        with self.under(Role.AUDITOR) as db:
            db.execute(text("SELECT set_config('giftline.clock_offset', :offset, true)"), {"offset": clock_offset})
            db.execute(text("SET TRANSACTION READ ONLY"))
            return seals.verify(db, anchors)

    def tamper(self, *statements: str) -> None:
        """As somebody with every right, past every trigger and foreign key."""
        with self.engine.begin() as db:
            db.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                db.exec_driver_sql(statement)

    def chain(self) -> list[tuple[int, int]]:
        """Place and entry of every seal."""
        with self.engine.begin() as db:
            rows = db.execute(text("SELECT place, entry_id FROM journal_seal ORDER BY place"))
            return [(place, entry) for place, entry in rows]


@pytest.fixture
def books(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setattr(seals, "PAGE", 2)  # so that every story here is longer than a page
    engine = create_engine(driver_url(database_url))
    yield Books(engine)
    engine.dispose()


@pytest.fixture
def story(books: Books) -> Books:
    """Six entries, sealed two at a time."""
    books.post(("2050", "", 500), ("2100", "1", -500), operation="buy:1", kind="certificates issued")
    books.post(("2050", "", 700), ("2100", "2", -700), operation="buy:2", kind="certificates issued")
    books.post(("2100", "1", 500), ("2110", "g", -500), operation="give:1")
    books.post(("2110", "g", 500), ("2100", "1", -500), operation="take:1", kind="gift accepted")
    books.post(("2100", "1", 200), ("2120", "h", -200), operation="use:1", kind="redemption authorised")
    books.post(("2120", "h", 200), ("2200", "7", -194), ("4020", "", -6), operation="use:2", kind="redemption captured")
    return books


def sealed(books: Books) -> list[Head]:
    """Seal two entries at a time; the head after each time."""
    heads = []
    while books.seal(limit=2):
        heads.append(books.head())
    return heads


def test_every_entry_gets_the_next_place_and_is_sealed_once(story: Books) -> None:
    assert [story.seal(limit=4), story.seal(limit=4), story.seal(limit=4)] == [4, 2, 0]
    assert story.chain() == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]


def test_the_digest_is_what_the_module_says_it_is(books: Books) -> None:
    books.post(("2050", "", 500), ("2100", 'a "né"\n', -500), operation="buy:1")
    books.post(("2050", "", 1), ("4010", "", -1), operation="buy:2")
    books.seal()
    with books.engine.begin() as db:
        moments = "SELECT (extract(epoch FROM created_at) * 1000000)::bigint FROM journal_entry ORDER BY id"
        first, second = db.execute(text(moments)).scalars()
    line = b'["2100","a \\"n\\u00e9\\"\\n","KES",-500]\n'
    entry = b'[1,"buy:1","gift offered","KES","%d"]\n["2050","","KES",500]\n' % first + line
    digest = hashlib.sha256(bytes(32) + entry).digest()
    entry = b'[2,"buy:2","gift offered","KES","%d"]\n["2050","","KES",1]\n["4010","","KES",-1]\n' % second
    assert (books.head().place, books.head().digest) == (2, hashlib.sha256(digest + entry).digest())


def test_the_very_first_entry_is_sealed_though_sealing_began_before_it(books: Books) -> None:
    assert [books.seal(), books.seal()] == [0, 0]
    books.post(("2050", "", 5), ("2200", "7", -5), operation="first")
    assert books.seal() == 1


def test_an_entry_that_is_committed_late_gets_the_next_place_however_often_was_sealed_meanwhile(books: Books) -> None:
    lines = (("2050", "", 5), ("2200", "7", -5))
    books.post(*lines, operation="before")  # the accounts exist: nobody waits for the late one
    assert books.seal() == 1
    with books.under(Role.WEB) as late:
        ledger.post(late, "late", Entry("late", "KES", tuple(Line(*line) for line in lines)))
        for number in range(4):
            books.post(*lines, operation=f"meanwhile {number}")
            assert books.seal() == 1
        assert books.seal() == 0
    assert books.seal() == 1
    assert books.chain() == [(1, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 2)]
    assert books.verify(books.head()) == Verdict(
        sealed=6, anchored=1, unsealed=0, oldest_unsealed_seconds=None, fault=None
    )


def test_what_was_rolled_back_or_repeated_leaves_no_gap_and_is_not_looked_for_for_ever(books: Books) -> None:
    for number in range(3):
        books.post(("2050", "", 5), ("2200", "7", -5), operation=f"kept {number}")
        books.post(("2050", "", 5), ("2200", "7", -5), operation=f"kept {number}")
        with pytest.raises(BalanceTooLow):
            books.post(("2100", "nobody", 5), ("2200", "7", -5), operation="refused")
    assert books.seal() == 3
    assert [place for place, _ in books.chain()] == [1, 2, 3]
    books.seal()
    with books.engine.begin() as db:
        floor = db.execute(text("SELECT floor FROM seal_mark")).scalar_one()
        assert floor == db.execute(text("SELECT last_value FROM journal_entry_id_seq")).scalar_one()


def test_a_backlog_is_not_gone_through_again_with_every_batch(story: Books) -> None:
    floors = []
    for _ in range(5):
        story.seal(limit=2)
        with story.engine.begin() as db:
            floors.append(db.execute(text("SELECT floor FROM seal_mark")).scalar_one())
    assert floors == [0, 4, 6, 6, 6]


def test_only_one_seals_at_a_time_and_the_other_does_not_wait(story: Books) -> None:
    with story.under(Role.WORKER) as first:
        assert seals.seal(first, 2) == 2
        assert story.seal() == 0
    assert story.seal() == 4


def test_sealing_while_others_post_leaves_no_gap_and_forgets_nobody(books: Books) -> None:
    raised = list[BaseException]()

    def post(name: str) -> None:
        try:
            for number in range(40):
                books.post(("2050", "", 5), ("2200", name, -5), operation=f"{name}:{number}")
        except BaseException as error:  # noqa: BLE001 - handed to the test, which asserts on it
            raised.append(error)

    threads = [threading.Thread(target=post, args=[name]) for name in "abc"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        books.seal(limit=7)
    while books.seal(limit=7):
        pass
    assert raised == []
    assert books.verify() == Verdict(sealed=120, anchored=0, unsealed=0, oldest_unsealed_seconds=None, fault=None)


@pytest.mark.parametrize(
    "statement", ["UPDATE journal_seal SET place = place + 100", "DELETE FROM journal_seal", "TRUNCATE journal_seal"]
)
def test_not_even_the_owner_may_rewrite_the_chain(story: Books, statement: str) -> None:
    story.seal()
    with pytest.raises(IntegrityError, match="the ledger is append-only"), story.engine.begin() as db:
        db.execute(text(statement))
    assert len(story.chain()) == 6


def test_an_untouched_journal_is_verified_under_a_role_that_only_reads(story: Books) -> None:
    heads = sealed(story)
    assert story.verify(*heads) == Verdict(sealed=6, anchored=3, unsealed=0, oldest_unsealed_seconds=None, fault=None)
    assert story.verify().ok


def test_an_empty_journal_is_in_order(books: Books) -> None:
    head = books.head()
    assert (head.place, head.digest) == (0, bytes(32))
    assert books.verify(head) == Verdict(sealed=0, anchored=1, unsealed=0, oldest_unsealed_seconds=None, fault=None)


def test_the_verifier_says_how_many_entries_wait_for_their_seal_and_how_long(story: Books) -> None:
    story.seal(limit=2)
    verdict = story.verify(clock_offset="2 hours")
    assert verdict.ok
    assert (verdict.sealed, verdict.unsealed) == (2, 4)
    assert verdict.oldest_unsealed_seconds is not None
    assert 7_200 <= verdict.oldest_unsealed_seconds < 7_260


def account(code: str, owner: str = "") -> str:
    return f"(SELECT id FROM account WHERE code = '{code}' AND owner = '{owner}')"


POSTED_TO = "INSERT INTO posting (entry_id, account_id, amount_minor) VALUES"
SWAPPED = "UPDATE {table} SET {column} = CASE {column} WHEN 2 THEN 5 WHEN 5 THEN 2 END WHERE {column} IN (2, 5)"
TAMPERINGS: dict[str, tuple[list[str], Fault]] = {
    "an amount was changed": (
        ["UPDATE posting SET amount_minor = amount_minor * 2 WHERE entry_id = 3"],
        Fault("digest differs", 3, 3),
    ),
    "a posting was moved to another account": (
        [f"UPDATE posting SET account_id = {account('2100', '2')} WHERE entry_id = 4 AND amount_minor < 0"],
        Fault("digest differs", 4, 4),
    ),
    "an account was given to another owner": (
        ["UPDATE account SET owner = 'mine' WHERE code = '2110'"],
        Fault("digest differs", 3, 3),
    ),
    "an account was given another code": (
        ["UPDATE account SET code = '2060' WHERE code = '2200'"],
        Fault("digest differs", 6, 6),
    ),
    "an account is gone": (["DELETE FROM account WHERE code = '2200'"], Fault("digest differs", 6, 6)),
    "an entry was made another kind": (
        ["UPDATE journal_entry SET kind = 'gift declined' WHERE id = 4"],
        Fault("digest differs", 4, 4),
    ),
    "an entry was given another operation": (
        ["UPDATE journal_entry SET operation_id = 'buy:3' WHERE id = 2"],
        Fault("digest differs", 2, 2),
    ),
    "an entry was dated back by a microsecond": (
        ["UPDATE journal_entry SET created_at = created_at - interval '1 microsecond' WHERE id = 5"],
        Fault("digest differs", 5, 5),
    ),
    "an entry was dated to the end of days": (
        ["UPDATE journal_entry SET created_at = 'infinity' WHERE id = 5"],
        Fault("digest differs", 5, 5),
    ),
    "an entry was deleted": (
        ["DELETE FROM posting WHERE entry_id = 3", "DELETE FROM journal_entry WHERE id = 3"],
        Fault("entry missing", 3, 3),
    ),
    "an entry was deleted with its seal": (
        [
            f"DELETE FROM {table} = 3"
            for table in ("posting WHERE entry_id", "journal_entry WHERE id", "journal_seal WHERE place")
        ],
        Fault("place missing", 3),
    ),
    "a posting was deleted": (
        ["DELETE FROM posting WHERE entry_id = 6 AND amount_minor = -6"],
        Fault("digest differs", 6, 6),
    ),
    "debit and credit were exchanged": (
        ["UPDATE posting SET amount_minor = -amount_minor WHERE entry_id = 2"],
        Fault("digest differs", 2, 2),
    ),
    "a posting was inserted into an old entry": (
        [f"{POSTED_TO} (2, {account('2100', '1')}, -100)"],
        Fault("posting added", 2, 2),
    ),
    "postings that balance were inserted into an old entry": (
        [f"{POSTED_TO} (2, {account('2100', '1')}, -100), (2, {account('2050')}, 100)"],
        Fault("posting added", 2, 2),
    ),
    "postings of an entry that does not exist were inserted": (
        [f"{POSTED_TO} (999, {account('2100', '1')}, -100), (999, {account('2050')}, 100)"],
        Fault("posting added", 0, 999),
    ),
    "the postings of two entries were swapped": (
        [SWAPPED.format(table="posting", column="entry_id")],
        Fault("digest differs", 2, 2),
    ),
    "two entries were swapped in the chain": (
        [
            "UPDATE journal_seal SET entry_id = -2 WHERE place = 2",
            "UPDATE journal_seal SET entry_id = 2 WHERE place = 5",
            "UPDATE journal_seal SET entry_id = 5 WHERE place = 2",
        ],
        Fault("digest differs", 2, 5),
    ),
    "a digest was changed": (
        ["UPDATE journal_seal SET digest = sha256(digest) WHERE place = 5"],
        Fault("digest differs", 5, 5),
    ),
    "the end of the chain was cut off": (
        ["DELETE FROM journal_seal WHERE place > 4"],
        Fault("place missing", 5, since=4),
    ),
    "two entries were altered, and the first is named": (
        ["UPDATE posting SET amount_minor = amount_minor + 1 WHERE entry_id IN (4, 6)"],
        Fault("digest differs", 4, 4),
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whoever_has_every_right_and_alters_the_past_is_named_with_the_first_row(story: Books, name: str) -> None:
    heads = sealed(story)
    statements, fault = TAMPERINGS[name]
    story.tamper(*statements)
    found = story.verify(*heads)
    assert not found.ok
    assert found.fault is not None
    assert (found.fault.what, found.fault.place, found.fault.entry_id) == (fault.what, fault.place, fault.entry_id)
    assert found.fault.anchor == (heads[2] if "cut off" in name else None)
    assert found.sealed == (6 if fault.place == 0 else fault.place - 1)


def test_a_chain_that_was_wholly_written_anew_agrees_with_itself_and_not_with_its_anchors(story: Books) -> None:
    heads = sealed(story)
    story.tamper(
        "UPDATE posting SET amount_minor = amount_minor * 2 WHERE entry_id = 3",
        "DELETE FROM journal_seal",
        "UPDATE seal_mark SET floor = 0, horizon = 0, writers = '{}'",
    )
    assert story.seal() == 6
    assert story.verify().ok
    assert story.verify(heads[0]).ok
    found = story.verify(*heads)
    assert found.fault == Fault("anchor differs", 4, 4, since=2, anchor=heads[1])
    assert (found.sealed, found.anchored) == (3, 1)
    assert str(found.fault) == (
        f"anchor differs at place 4, entry 4 (last anchor that agrees: place 2; this one: {heads[1]})"
    )


def test_a_mark_that_was_set_too_high_seals_nothing_and_is_noticed(story: Books) -> None:
    story.tamper("UPDATE seal_mark SET floor = 1000")
    assert story.seal() == 0
    assert story.verify().unsealed == 6


def at(place: int, seconds: int) -> Head:
    return Head(place, hashlib.sha256(str(place).encode()).digest(), TEN + timedelta(seconds=seconds))


def test_an_anchor_is_one_line_in_the_file_and_the_same_in_the_log(story: Books, tmp_path: Path) -> None:
    story.seal()
    head, file = story.head(), tmp_path / "anchors"
    with capture_logs() as logs:
        assert seals.anchor(head, file)
    line = f"{head.at:%Y-%m-%dT%H:%M:%SZ} 6 {head.digest.hex()}"
    assert file.read_text() == f"{line}\n"
    assert [(entry["event"], entry["anchor"]) for entry in logs] == [("journal.anchor", line)]
    assert seals.anchors(file) == [head]
    assert story.verify(*seals.anchors(file)).anchored == 1


def test_an_anchor_is_written_when_the_head_moved_and_else_once_a_minute(tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    heads = [at(6, 0), at(6, 59), at(7, 59), at(7, 118), at(7, 119)]
    assert [seals.anchor(head, file) for head in heads] == [True, False, True, False, True]
    assert seals.anchors(file) == [at(6, 0), at(7, 59), at(7, 119)]


def test_a_torn_last_line_is_passed_over_and_marked_when_the_next_is_written(tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    seals.anchor(at(6, 0), file)
    file.write_text(file.read_text() + str(at(7, 60))[:-1])
    assert seals.anchors(file) == [at(6, 0)]
    assert seals.anchor(at(7, 62), file)
    assert seals.anchors(file) == [at(6, 0), at(7, 62)]
    assert file.read_text().splitlines()[1] == f"{str(at(7, 60))[:-1]} torn"


def test_a_line_that_lacks_only_its_end_counts_as_torn(tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    file.write_text(str(at(6, 0)))
    assert seals.anchors(file) == []
    assert seals.anchor(at(6, 1), file)
    assert seals.anchors(file) == [at(6, 1)]


@pytest.mark.parametrize("line", ["", "2026-11-20T10:00:00Z 6 abc", "2026-11-20T10:00:00Z 6", "6"])
def test_any_other_line_that_is_no_anchor_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "anchors"
    file.write_text(f"{at(6, 0)}\n{line}\n{at(7, 60)}\n")
    with pytest.raises(AnchorsUnreadable, match="anchors: line 2 is no anchor"):
        seals.anchors(file)


def test_a_file_that_cannot_be_written_raises_and_the_log_has_the_anchor(tmp_path: Path) -> None:
    with capture_logs() as logs, pytest.raises(OSError, match="anchors"):
        seals.anchor(at(6, 0), tmp_path / "gone" / "anchors")
    assert [entry["anchor"] for entry in logs] == [str(at(6, 0))]
