"""The worker: everything leaves, in order, once; what fails is tried again by policy; nothing stops it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from bot.sending import RETRY_SECONDS
from storage import outbox
from storage.database import Database
from storage.roles import Role
from tests.fakes.providers import BROKEN, HANGS_UP, Answer, FakeProviders, throttled, twilio_error
from tests.post import PHONE, Post


@pytest.fixture
def post(database: Database) -> Iterator[Post]:
    with FakeProviders() as providers:
        yield Post(database, providers)


def test_texts_are_written_in_their_language_and_sent_by_their_provider(post: Post) -> None:
    post.put("Hello {name}.", name="Asha")
    post.put("Hello {name}.", name="Juma", provider="africastalking")
    assert post.worker.run_once() == 2
    assert {(t.provider, t.text) for t in post.providers.texts} == {
        ("twilio", "en: Hello Asha."),
        ("africastalking", "en: Hello Juma."),
    }
    assert post.states() == ["sent", "sent"]
    assert post.worker.run_once() == 0


def test_each_phone_reads_its_texts_in_the_order_they_were_filed(post: Post) -> None:
    phones = [f"+2547123456{n:02}" for n in range(20)]
    for number in range(15):
        for phone in phones:
            post.put(f"text {number}", phone=phone)
    while post.worker.run_once():
        pass
    for phone in phones:
        assert post.providers.to(phone) == [f"en: text {number}" for number in range(15)]


def test_two_workers_send_everything_once(post: Post) -> None:
    post.put(*(f"text {n}" for n in range(150)))
    for n in range(150):
        post.put("hello", phone=f"+254712345{n:03}")

    def work() -> None:
        worker = post.new_worker()
        while worker.run_once():
            pass

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(post.providers.texts) == 300
    assert set(post.states()) == {"sent"}


def test_a_text_that_cannot_be_sent_now_is_tried_by_the_schedule_and_then_given_up(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.breaker.IN_A_ROW", 100)
    post.put("hello")
    for pause in RETRY_SECONDS:
        post.providers.will_answer(BROKEN)
        post.worker.run_once()
        (wait,) = post.waits()
        assert pause - 30 < wait <= pause, "waiting for about as long as the schedule says"
        post.pass_time(pause)
    post.providers.will_answer(BROKEN)
    post.worker.run_once()
    assert post.rows() == [("failed", len(RETRY_SECONDS) + 1, "500")]
    assert post.providers.requests == len(RETRY_SECONDS) + 1


def test_a_provider_that_asks_for_a_longer_pause_gets_it(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(throttled(900))
    post.worker.run_once()
    assert 800 < post.waits()[0] <= 900


def test_a_text_that_comes_through_at_the_second_attempt_is_sent_once(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(HANGS_UP)
    post.worker.run_once()
    post.pass_time(60)
    post.worker.run_once()
    assert post.providers.to(PHONE) == ["en: hello"]
    assert post.rows() == [("sent", 2, "")]


def test_a_text_that_can_never_be_sent_fails_at_once(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(twilio_error(21610))
    post.worker.run_once()
    assert post.rows() == [("failed", 1, "21610")]


def test_a_fault_in_our_settings_is_an_alarm_and_loses_nothing(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(twilio_error(20003, 401))
    with capture_logs() as logs:
        post.worker.run_once()
    assert [(entry["log_level"], entry["code"]) for entry in logs] == [("error", "20003")]
    assert post.states() == ["queued"]


def test_texts_behind_a_held_up_one_wait_as_long_and_use_no_attempt(post: Post) -> None:
    post.put("first", "second", "third")
    post.put("elsewhere", phone="+254722000000", provider="africastalking")
    with post.database.begin() as db:
        db.execute(text("UPDATE outbox SET due_at = now() + interval '1 hour' WHERE provider = 'africastalking'"))
    post.providers.will_answer(throttled(900))
    post.worker.run_once()
    assert post.rows()[:3] == [("queued", 1, "20429"), ("queued", 0, ""), ("queued", 0, "")]
    post.pass_time(3600)
    post.worker.run_once()
    assert post.providers.to(PHONE) == ["en: first", "en: second", "en: third"]
    assert post.providers.to("+254722000000") == ["en: elsewhere"]


def test_a_text_that_can_never_be_sent_holds_up_no_other(post: Post) -> None:
    post.put("first", "second")
    post.providers.will_answer(twilio_error(30007))
    post.worker.run_once()
    assert post.states() == ["failed", "sent"]


def test_one_faulty_row_stops_no_other_and_is_logged_without_its_words(post: Post) -> None:
    post.put("needs {a_hole}", "good", secret_word="hunter2")
    post.put("good")
    with capture_logs() as logs:
        post.worker.run_once()
    assert post.rows() == [("failed", 1, "fault"), ("sent", 1, ""), ("sent", 1, "")]
    assert len(logs) == 1
    assert "hunter2" not in str(logs) and PHONE not in str(logs) and "needs" not in str(logs)


def test_a_row_whose_worker_was_lost_is_sent_by_another(post: Post) -> None:
    post.put("hello")
    with post.database.begin() as db:
        outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)
    assert post.worker.run_once() == 0
    post.pass_time(61)
    post.worker.run_once()
    assert post.rows() == [("sent", 2, "")]
    assert post.providers.to(PHONE) == ["en: hello"]


def test_a_row_that_every_worker_dies_of_is_given_up(post: Post) -> None:
    post.put("hello")
    for _ in range(len(RETRY_SECONDS) + 1):
        with post.database.begin() as db:
            assert outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)
        post.pass_time(61)
    post.worker.run_once()
    assert post.rows() == [("failed", len(RETRY_SECONDS) + 2, "attempts")]
    assert post.providers.requests == 0


def test_what_was_sent_while_the_database_was_lost_is_marked_and_not_sent_again(post: Post) -> None:
    class Broken(Database):
        down = False

        def begin(self) -> Any:
            if self.down:
                raise ConnectionError
            return super().begin()

    database = Broken(post.database.url, role=Role.WORKER)
    channel = post.channels["twilio"]
    send = channel.send

    def send_and_lose(message: Any) -> Any:
        database.down = True
        return send(message)

    post.channels["twilio"].send = send_and_lose  # type: ignore[method-assign]
    worker = post.new_worker(database)
    post.put("hello")
    with pytest.raises(ConnectionError):
        worker.run_once()
    with pytest.raises(ConnectionError):
        worker.run_once()
    assert post.states() == ["claimed"]
    post.pass_time(120)
    database.down = False
    assert worker.run_once() == 0
    database.close()
    assert post.rows() == [("sent", 1, "")]
    assert post.providers.to(PHONE) == ["en: hello"]


def test_it_goes_on_through_lost_databases_and_failing_chores(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.worker.LONGEST_PAUSE_SECONDS", 0.01)
    stop = threading.Event()
    rounds: list[str] = []

    class Flaky(Database):
        def begin(self) -> Any:
            if len(rounds) < 3:
                raise ConnectionError("postgresql://app:hunter2@db/")
            return super().begin()

    def chores() -> None:
        rounds.append("chores")
        raise ValueError("hunter2")

    flaky = Flaky(post.database.url, role=Role.WORKER)
    worker = post.new_worker(flaky, wait=lambda seconds: stop.set(), chores=chores)
    post.put("hello")
    with capture_logs() as logs:
        worker.run_forever(stop)
    flaky.close()
    assert post.states() == ["sent"]
    assert {"ConnectionError", "ValueError"} == {entry["fault"].split()[0] for entry in logs}
    assert "hunter2" not in str(logs)


def test_when_told_to_stop_it_finishes_what_has_begun_and_gives_the_rest_back(post: Post) -> None:
    stop = threading.Event()
    channel = post.channels["twilio"]
    send = channel.send

    def send_then_stop(message: Any) -> Any:
        stop.set()
        return send(message)

    channel.send = send_then_stop  # type: ignore[method-assign]
    post.put("first", "second", "third")
    post.worker.run_forever(stop)
    assert post.rows() == [("sent", 1, ""), ("queued", 0, ""), ("queued", 0, "")]
    assert post.new_worker().run_once() == 2


def test_no_send_begins_that_might_outlive_its_lease(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.worker.LEASE_SECONDS", 19.0)  # a send may take 20
    post.put("hello")
    assert post.worker.run_once() == 1
    assert post.rows() == [("queued", 0, "")]
    assert post.providers.requests == 0


PROCESS = """
    import sys, threading, types
    from bot.config import Settings
    from bot.channels.twilio import Twilio
    from bot.worker import Worker, main
    from storage.database import Database

    def build_worker(_):
        settings = Settings(giftline_mode="development", twilio_api_base=sys.argv[2])
        tick = threading.Event()
        database = Database(sys.argv[1], role="giftline_worker")
        return Worker(database, {"twilio": Twilio(settings)}, lambda language, sentence, holes: sentence,
                      lambda seconds: tick.wait(0.05) and None, lambda: None, lambda: 0)

    app = types.ModuleType("bot.app")
    app.build_worker = build_worker
    sys.modules["bot.app"] = app
    main()
"""


@pytest.fixture
def process(post: Post) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, whose database and provider are those of the test."""
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), post.database.url, post.providers.url]
    env = {**os.environ, "GIFTLINE_MODE": "development"}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=env) as running:
        yield running
        running.kill()


def until(true: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if true():
            return
        pause.wait(0.05)
    raise AssertionError("it never came true")


def test_sigterm_lets_a_text_that_is_being_sent_arrive(post: Post, process: subprocess.Popen[bytes]) -> None:
    post.providers.will_answer(Answer(201, {"sid": "SM" + "0" * 32}, after_seconds=0.5, taken=True))
    post.put("hello")
    until(lambda: post.providers.requests)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert post.rows() == [("sent", 1, "")]


def test_a_killed_worker_loses_no_text(post: Post, process: subprocess.Popen[bytes]) -> None:
    for n in range(200):
        post.put(f"text {n}", phone=f"+254712345{n:03}")
    until(lambda: len(post.providers.texts) > 20)
    process.kill()
    process.wait(timeout=30)
    post.pass_time(61)
    while post.worker.run_once():
        pass
    assert len({t.to for t in post.providers.texts}) == 200
    assert set(post.states()) == {"sent"}
