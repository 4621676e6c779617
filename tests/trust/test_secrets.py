"""Nobody reads along: what people type, and whom they are, stands in no log line, and in no store that need not know it.

Whole conversations are held with words that occur nowhere else; then everything that was written anywhere is searched.
"""

import logging
import re
from typing import Any

import pytest
import redis as redis_client
from sqlalchemy import text

from bot.app import build_services, build_worker
from bot.config import Settings
from bot.services import Services
from bot.turn import NOTHING_DONE
from phones.handset import Screen
from tests.fakes.providers import FakeProviders
from tests.people import past_every_right
from tests.trust.line import CLERK, Line, answers

PIN = "7193"
WRONG_PIN = "8264"
AMINA, BARAKA = "+254712918273", "+254711625348"
NAME, NOTE = "Zubeidatoo", "Heri ya kuzaliwa tembo zambarau"
PRIVATE_TABLES = ("inbox", "conversation", "attempt_counter", "journal_entry", "account", "posting", "receipt")
"""Tables that have no business with names, numbers or words. (Tries are counted by number: that is whose they are.)"""


def forms_of(secret: str) -> list[str]:
    """How a secret might stand somewhere: as it is, without its prefix, grouped, in hex."""
    digits = secret.lstrip("+")
    grouped = [f"{digits[:4]} {digits[4:8]} {digits[8:]}"] if len(digits) == 12 and digits.isdigit() else []
    national = [digits[3:], f"0{digits[3:6]} {digits[6:]}"] if secret.startswith("+254") else []
    return [digits, *grouped, *national, digits.encode().hex()]


def stands_in(secret: str, written: str) -> bool:
    """Whether a secret can be read in what was written. Four digits in a longer number or hash are no PIN."""
    if len(secret) == 4:
        return re.search(rf"(?<![\w+/.]){secret}(?![\w+/])", written) is not None
    return any(form.casefold() in written.casefold() for form in forms_of(secret))


def in_redis(client: redis_client.Redis) -> str:
    """Every key and value there is."""
    parts: list[Any] = []
    for key in client.scan_iter():
        parts.append(key)
        match client.type(key):
            case b"hash":
                parts += [part for pair in client.hgetall(key).items() for part in pair]
            case b"string":
                parts.append(client.get(key) or b"")
            case b"zset":
                parts += client.zrange(key, 0, -1)
            case kind:
                raise AssertionError(f"the test does not know how to read a {kind!r}")
    return b"\n".join(parts).decode("latin-1")


def in_tables(services: Services, *tables: str) -> str:
    """Every row of the tables named (of all, when none is), as text; what is bytes, as bytes."""
    with past_every_right(services.database) as db:
        known = db.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        rows = [row for table in tables or known for row in db.execute(text(f'SELECT * FROM "{table}"'))]
    cells = [cell for row in rows for cell in row]
    return "\n".join(bytes(c).decode("latin-1") if isinstance(c, bytes | memoryview) else str(c) for c in cells)


@pytest.fixture
def settings(settings_with_providers: Settings) -> Settings:
    return settings_with_providers


class Story:
    """The whole main job, and what may go wrong in it, by dialling and by text; `code` is the last one made."""

    def __init__(self, line: Line) -> None:
        amina, till = line.handset(AMINA), line.handset(CLERK)
        baraka = line.handset(BARAKA, "africastalking")
        bought = answers(amina, "1", "1", "1", "2", "2", "1", NAME, "1", PIN, PIN, WRONG_PIN, PIN)
        assert bought.text.startswith("Done")
        gave = answers(amina, "GIFT", "1", "1", BARAKA, NOTE, "1", PIN)
        assert gave.text.startswith("Done")
        assert NOTE in line.texts(BARAKA)[-1][1]
        line.say(baraka, "1")
        line.say(baraka, PIN)
        line.say(baraka, "PAY")
        line.say(baraka, "1")
        agreement = re.findall(r"Reply ([0-9]{4})", line.say(baraka, "0"))[0]
        by_text = re.findall(r"(?:[0-9]{4} ){2}[0-9]{4}", line.say(baraka, agreement))[0]
        line.say(till, f"CHECK {by_text}")
        line.say(till, f"USE {by_text} 100")
        code = re.findall(r"(?:[0-9]{4} ){2}[0-9]{4}", answers(amina, "PAY", "1", "0", PIN).text)[0]
        self.codes = [by_text.replace(" ", ""), code.replace(" ", "")]
        line.say(till, f"CHECK {code}")
        line.say(till, "CHECK 1111 2222 3333")
        answers(amina, "GIFT", "1", BARAKA, NOTE)  # and a place that is left standing with all of it in


def test_what_people_say_stands_in_no_log_and_in_no_store_that_need_not_know(
    services: Services, redis: redis_client.Redis, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        line = Line(services)
        story = Story(line)
        worker = build_worker(services.settings)
        while worker.run_once():
            pass
    out, err = capfd.readouterr()
    logs = f"{out}{err}{caplog.text}"
    assert "ussd session ended" in logs, "logs were captured"
    everything = in_tables(services)
    assert NOTE in everything, "the store was read"
    secrets = [PIN, WRONG_PIN, NAME, NOTE, AMINA, BARAKA, *story.codes]
    private = in_tables(services, *PRIVATE_TABLES[:2], *PRIVATE_TABLES[3:])
    for secret in secrets:
        assert not stands_in(secret, logs), f"{secret} was logged"
        assert not stands_in(secret, in_redis(redis)), f"{secret} stands in Redis"
        assert not stands_in(secret, private), f"{secret} stands in a table that need not know it"
    for secret in (PIN, WRONG_PIN, *story.codes):
        assert not stands_in(secret, everything), f"{secret} stands in the database"


def test_what_people_say_is_not_logged_either_when_it_cannot_be_answered(
    services: Services, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    lost = build_services(services.settings.model_copy(update={"redis_url": "unix:///nowhere/valkey.sock"}))
    line = Line(lost)
    with caplog.at_level(logging.DEBUG):
        assert Screen.read(line.post(line.ussd(AMINA, "s1", f"1*{NAME}*{PIN}"))).text == NOTHING_DONE
        text_in = {"id": "a1", "from": AMINA, "to": "22384", "text": NOTE}
        assert line.raw(line.africastalking("sms", text_in))[0] == 503
        assert line.raw(line.africastalking("ussd", {"phoneNumber": AMINA, "text": f"{NAME}*{PIN}"}))[0] == 400
        assert line.app.test_client().post("/sms/twilio", data={"From": AMINA, "Body": NOTE}).status_code == 403
    lost.database.close()
    out, err = capfd.readouterr()
    logs = f"{out}{err}{caplog.text}"
    assert all(said in logs for said in ("turn.unavailable", "unusable request", "forged request")), (
        "logs were captured"
    )
    for secret in (PIN, NAME, NOTE, AMINA):
        assert not stands_in(secret, logs), f"{secret} was logged"


def test_before_it_is_sent_a_code_stands_nowhere_but_in_the_text_that_carries_it(
    services: Services, redis: redis_client.Redis
) -> None:
    line = Line(services)
    story = Story(line)
    others = [table for table in known_tables(services) if table != "outbox"]
    for code in story.codes:
        assert stands_in(code, in_tables(services, "outbox"))
        assert not stands_in(code, in_tables(services, *others))
        assert not stands_in(code, in_redis(redis))


def test_a_code_that_could_never_be_sent_is_forgotten_as_well(services: Services, providers: FakeProviders) -> None:
    line = Line(services)
    story = Story(line)
    with past_every_right(services.database) as db:
        db.execute(text("UPDATE outbox SET attempt = 99"))
    worker = build_worker(services.settings)
    while worker.run_once():
        pass
    assert not providers.texts
    assert not any(stands_in(code, in_tables(services)) for code in story.codes)


def known_tables(services: Services) -> list[str]:
    with past_every_right(services.database) as db:
        tables = db.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        return [str(table) for table in tables.scalars()]
