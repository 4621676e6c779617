"""PostgreSQL or Redis gone, and back again: people are told the truth, providers are asked again, nobody restarts us."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import event

from bot import embedded
from bot.app import build_services
from bot.services import Services
from bot.turn import NOT_KNOWN, NOTHING_DONE
from circulation.stocking import DEMO, stock
from phones.handset import Form, Screen
from storage.database import Database, driver_url, migrate
from storage.roles import Role
from tests.people import past_every_right
from tests.trust.line import AMINA, PIN, Line, answers, join_and_buy

BUY = ("1", "1", "1", "2", "1")
SORRY = Screen(NOTHING_DONE, more=False)


class Mortal:
    """Servers of the test's own, which can die and come back on the same data at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running = embedded.start(folder)
        self.database_url, self.redis_url = self.running.database_url, self.running.redis_url

    def die(self) -> None:
        self.running.stop()

    def come_back(self) -> None:
        self.running = embedded.start(self._folder)


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        mortal = Mortal(Path(folder))
        migrate(mortal.database_url)
        database = Database(mortal.database_url, role=Role.CONSOLE, connections=1)
        with database.begin() as db:
            stock(db, DEMO / "KE.toml")
        database.close()
        yield mortal
        mortal.die()


@pytest.fixture
def on_mortal_postgres(services: Services, mortal: Mortal) -> Iterator[Line]:
    """The product on a PostgreSQL that can die; its Redis lives on. Every message comes from a new phone's owner."""
    yield from line_with(services, database_url=mortal.database_url)


@pytest.fixture
def on_mortal_redis(services: Services, mortal: Mortal) -> Iterator[Line]:
    """The product on a Redis that can die; its PostgreSQL lives on."""
    yield from line_with(services, redis_url=mortal.redis_url)


def line_with(services: Services, **addresses: str) -> Iterator[Line]:
    """The product joined anew with another server, and closed at the end."""
    mine = build_services(services.settings.model_copy(update=addresses))
    yield Line(mine)
    mine.database.close()
    mine.redis.close()


class Cut:
    """Cuts the connection of a turn's own transaction, from the server's side, right before or right after its COMMIT."""

    def __init__(self, line: Line) -> None:
        self._url = driver_url(line.services.database.url).replace("+psycopg", "")
        self._commits_first = False
        self._cuts = True
        self._then: Callable[[], None] = lambda: None
        self.armed = False
        self.cuts = 0
        engine = line.services.database.engine
        event.listen(engine, "before_cursor_execute", self._mark)
        event.listen(engine, "commit", self._cut)

    def before_commit(self) -> None:
        self._commits_first, self.armed = False, True

    def after_commit(self, then: Callable[[], None] = lambda: None) -> None:
        self._commits_first, self.armed, self._then = True, True, then

    def instead(self, then: Callable[[], None]) -> None:
        """Cut nothing, but do something else right before the turn's COMMIT."""
        self._cuts, self.armed, self._then = False, True, then

    def _mark(self, connection: Any, _cursor: object, statement: str, *_: object) -> None:
        """The transaction that takes the message is the turn's own."""
        if "take_message" in statement:
            connection.info["turn"] = True

    def _cut(self, connection: Any) -> None:
        if not (self.armed and connection.info.pop("turn", False)):
            return
        self.armed = False
        self.cuts += 1
        driver: psycopg.Connection[Any] = connection.connection.dbapi_connection
        if self._commits_first:
            driver.commit()
            driver.execute("SELECT 1")  # a transaction for the COMMIT to come, whose answer never arrives
        if self._cuts:
            with psycopg.connect(self._url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [driver.info.backend_pid])
        self._then()


def someone() -> str:
    """A number that nobody had before."""
    return f"+2547{uuid4().int % 10**8:08}"


def a_text(line: Line, msisdn: str, words: str) -> Form:
    return line.africastalking("sms", {"id": uuid4().hex, "from": msisdn, "to": "22384", "text": words})


def ready(line: Line) -> int:
    return line.app.test_client().get("/health/ready").status_code


def assert_told(line: Line) -> None:
    """While it is down: texts are asked for again, who dials reads the truth, and we say that we are not ready."""
    assert line.raw(a_text(line, someone(), "BUY"))[0] == 503
    assert line.raw(signed_text(line))[0] == 503
    assert Screen.read(line.post(line.ussd(someone(), uuid4().hex, "3"))) == SORRY
    assert ready(line) == 503
    assert line.app.test_client().get("/health/live").status_code == 200


def signed_text(line: Line) -> Form:
    account = line.settings.twilio_account_sid
    sid = f"SM{uuid4().hex}"
    return line.twilio("/sms/twilio", {"MessageSid": sid, "AccountSid": account, "From": someone(), "Body": "BUY"})


def test_without_postgresql_everybody_is_told_and_the_first_message_after_it_is_served(
    on_mortal_postgres: Line, mortal: Mortal
) -> None:
    line = on_mortal_postgres
    member = line.handset(someone())
    join_and_buy(member)
    mortal.die()
    try:
        assert_told(line)
        assert (
            line.raw(line.twilio("/sms/twilio/status?id=1", {**signed_text(line).fields, "MessageStatus": "sent"}))[0]
            == 503
        )
    finally:
        mortal.come_back()
    assert "What would you like" in member.dial().text
    assert ready(line) == 200
    line.assert_books_in_order()


def test_who_speaks_swahili_is_told_in_swahili(on_mortal_postgres: Line, mortal: Mortal) -> None:
    line = on_mortal_postgres
    member = line.handset(someone())
    answers(member, "4", "2")
    member.answer("1")
    mortal.die()
    try:
        told = member.answer("1")
    finally:
        mortal.come_back()
    assert told == Screen(line.services.catalogue.say("sw", NOTHING_DONE, {}), more=False)
    assert told != SORRY


@pytest.mark.parametrize("first", ["dial", "text", "pin"])
def test_a_restart_of_postgresql_that_nobody_saw_is_not_felt(
    on_mortal_postgres: Line, mortal: Mortal, first: str
) -> None:
    line = on_mortal_postgres
    member = line.handset(someone())
    join_and_buy(member)
    answers(member, *BUY)
    mortal.die()
    mortal.come_back()
    if first == "dial":
        assert "Welcome" in line.hop(someone(), uuid4().hex, "")
    elif first == "text":
        texter = someone()
        line.post(a_text(line, texter, "BUY"))
        assert "What kind" in line.texts(texter)[-1][1]
    else:
        assert member.answer(PIN).text.startswith("Done")
    line.assert_books_in_order()


def test_without_redis_everybody_is_told_and_the_first_message_after_it_is_served(
    on_mortal_redis: Line, mortal: Mortal
) -> None:
    line = on_mortal_redis
    member = line.handset(AMINA)
    join_and_buy(member)
    mortal.die()
    try:
        assert_told(line)
    finally:
        mortal.come_back()
    assert "What would you like" in member.dial().text
    assert ready(line) == 200
    line.assert_books_in_order()


def test_when_redis_dies_between_commit_and_save_the_reply_is_given_all_the_same(
    on_mortal_redis: Line, mortal: Mortal
) -> None:
    line = on_mortal_redis
    member = line.handset(AMINA)
    join_and_buy(member)
    answers(member, *BUY)
    cut = Cut(line)
    cut.instead(mortal.die)
    try:
        done = member.answer(PIN).text
    finally:
        mortal.come_back()
    assert done.startswith("Done")
    assert member.repeat() == Screen(done, more=False)
    assert "What would you like" in member.dial().text
    line.assert_books_in_order()


@pytest.fixture
def line(services: Services) -> Line:
    """A line on which Amina, a member, has only to agree to a purchase."""
    line = Line(services)
    join_and_buy(line.handset(AMINA))
    return line


def certificates(line: Line) -> int:
    with past_every_right(line.services.database) as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM certificate").scalar_one())


def test_a_connection_cut_before_the_commit_means_that_nothing_was_done(line: Line) -> None:
    member = line.handset(AMINA)
    answers(member, *BUY)
    cut = Cut(line)
    cut.before_commit()
    assert member.answer(PIN) == SORRY
    assert cut.cuts == 1 and certificates(line) == 1
    line.assert_books_in_order()


def test_a_connection_cut_after_the_commit_means_that_it_was_done_and_is_told_so(line: Line) -> None:
    member = line.handset(AMINA)
    answers(member, *BUY)
    cut = Cut(line)
    cut.after_commit()
    assert member.answer(PIN).text.startswith("Done")
    assert cut.cuts == 1 and certificates(line) == 2
    line.assert_books_in_order()


def test_a_text_whose_commit_lost_its_answer_is_answered_once(line: Line) -> None:
    form = a_text(line, AMINA, "BUY")
    cut = Cut(line)
    cut.after_commit()
    line.post(form)
    line.post(form)
    assert cut.cuts == 1
    assert [words for _, words in line.texts(AMINA) if words.startswith("What kind")] == [line.texts(AMINA)[-1][1]]
    cut.before_commit()
    refused = a_text(line, AMINA, "MENU")
    assert line.raw(refused)[0] == 503
    assert line.raw(refused)[0] == 200, "sent again by its provider, it is answered"


def test_when_nobody_can_look_whether_it_was_done_that_is_what_is_said(
    on_mortal_postgres: Line, mortal: Mortal
) -> None:
    line = on_mortal_postgres
    member = line.handset(someone())
    join_and_buy(member)
    answers(member, *BUY)
    before = certificates(line)
    Cut(line).after_commit(mortal.die)
    try:
        assert member.answer(PIN) == Screen(NOT_KNOWN, more=False)
    finally:
        mortal.come_back()
    assert certificates(line) == before + 1
    repeated = member.repeat()
    assert repeated is not None and repeated.text.startswith("Done")
    assert certificates(line) == before + 1
    line.assert_books_in_order()
