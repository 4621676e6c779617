"""Who sends what: a provider that fails is left alone, what may have been sent is looked for, and nothing goes out twice."""

import pytest
from structlog.testing import capture_logs

from bot.breaker import FIRST_SECONDS, IN_A_ROW
from bot.messages import Outbound
from bot.pacing import Pace, Rate
from bot.sending import LOOK_SECONDS, LOOKS
from circulation.msisdn import Msisdn
from circulation.routes import Routes
from storage import outbox
from storage.database import Database
from storage.outbox import Row
from tests.fakes.providers import BROKEN, HANGS_UP, Answer, FakeProviders, africastalking_code, throttled, twilio_error
from tests.post import PHONE, Post

SWALLOWED = Answer(hangs_up=True, taken=True)
OTHER = "+254722000000"
BOTH = Routes.parse("sms + twilio africastalking", texts_by="")


@pytest.fixture
def post(database: Database, providers: FakeProviders) -> Post:
    return Post(database, providers, routes=BOTH, served={"twilio", "africastalking"})


@pytest.fixture
def alone(database: Database, providers: FakeProviders) -> Post:
    """Without anybody who stands in."""
    return Post(database, providers)


def test_a_send_without_an_answer_is_looked_up_and_not_sent_again(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(SWALLOWED)
    post.worker.run_once()
    assert post.rows() == [("queued", 1, "ConnectionError")]
    assert post.waits()[0] > LOOK_SECONDS - 5
    post.pass_time(60)
    post.worker.run_once()
    assert post.rows() == [("sent", 2, "")]
    (taken,) = post.providers.texts
    with post.database.begin() as db:
        assert outbox.known(db, "twilio", [taken.provider_id]) == {taken.provider_id}


def test_what_a_lost_worker_had_sent_is_looked_up_too(post: Post) -> None:
    post.put("hello")
    with post.database.begin() as db:
        (lost,) = outbox.claim(db, providers=["twilio"], batch=1, lease_seconds=60)
    post.channels["twilio"].send(
        Outbound(lost.id, lost.attempt, "twilio", Msisdn(PHONE), "en: hello"),
    )
    post.pass_time(61)
    post.worker.run_once()
    assert post.rows() == [("sent", 2, "")]
    assert post.providers.to(PHONE) == ["en: hello"]


def test_the_same_words_sent_for_another_row_are_not_taken_for_this_one(post: Post) -> None:
    post.put("hello", "hello")
    post.providers.will_answer(Answer(201, {"sid": f"SM{1:032x}"}, taken=True), HANGS_UP)
    post.worker.run_once()
    assert post.states() == ["sent", "queued"]
    post.pass_time(60)
    post.worker.run_once()
    assert post.states() == ["sent", "sent"]
    assert post.providers.to(PHONE) == ["en: hello", "en: hello"]


def test_while_its_provider_cannot_say_nothing_is_sent_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.breaker.IN_A_ROW", 100)
    post.put("hello")
    post.providers.will_answer(SWALLOWED)
    post.worker.run_once()
    for _ in range(LOOKS - 1):
        post.pass_time(3600)
        post.providers.will_answer(BROKEN)
        post.worker.run_once()
        assert len(post.providers.texts) == 1
    post.pass_time(3600)
    post.worker.run_once()
    assert post.rows() == [("sent", LOOKS + 1, "")]
    assert len(post.providers.texts) == 1, "it could say in the end"
    assert set(post.providers_of_rows()) == {"twilio"}


def test_a_provider_that_never_says_is_asked_to_send_in_the_end(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.breaker.IN_A_ROW", 100)
    post.put("hello")
    post.providers.will_answer(SWALLOWED, *[BROKEN] * LOOKS)
    for _ in range(LOOKS + 1):
        post.worker.run_once()
        post.pass_time(3600)
    assert len(post.providers.texts) == 2
    assert post.rows() == [("sent", LOOKS + 1, "")]


def test_what_was_looked_for_and_not_found_may_go_by_another_provider(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(HANGS_UP)
    post.worker.run_once()
    post.pass_time(60)
    empty = Answer(200, {"messages": [], "page": 0})
    post.providers.will_answer(empty, twilio_error(21408))
    post.worker.run_once()
    assert post.providers_of_rows() == ["africastalking"]
    post.worker.run_once()
    assert [(taken.provider, taken.text) for taken in post.providers.texts] == [("africastalking", "en: hello")]


def test_a_provider_without_a_list_sends_it_again_itself_and_nobody_else_does(
    database: Database, providers: FakeProviders
) -> None:
    post = Post(
        database,
        providers,
        routes=Routes.parse("sms + africastalking twilio", texts_by=""),
        served={"twilio", "africastalking"},
    )
    post.put("hello", provider="africastalking")
    for _ in range(4):
        post.providers.will_answer(HANGS_UP)
        with capture_logs() as logs:
            post.worker.run_once()
        post.pass_time(3600)
    assert any("sent twice" in entry["event"] for entry in logs)
    post.worker.run_once()
    assert [taken.provider for taken in post.providers.texts] == ["africastalking"]


def test_a_text_its_provider_could_not_send_three_times_goes_by_the_next_of_its_route(post: Post) -> None:
    post.put("hello")
    for _ in range(3):
        post.providers.will_answer(BROKEN)
        post.worker.run_once()
        post.pass_time(3600)
    assert post.providers_of_rows() == ["africastalking"]
    post.worker.run_once()
    assert [(taken.provider, taken.text) for taken in post.providers.texts] == [("africastalking", "en: hello")]
    assert post.states() == ["sent"]


def test_what_our_account_may_not_send_goes_by_another_at_once(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(twilio_error(21408))
    post.worker.run_once()
    post.worker.run_once()
    assert [taken.provider for taken in post.providers.texts] == ["africastalking"]


def test_when_nobody_of_the_route_can_it_stays_and_is_tried_again_by_each(post: Post) -> None:
    post.put("hello")
    post.providers.will_answer(twilio_error(21408), africastalking_code(402))
    for _ in range(5):
        post.worker.run_once()
    assert post.providers.requests == 2, "once by each, then it waits"
    assert post.states() == ["queued"]
    post.pass_time(3600)
    while post.worker.run_once():
        pass
    assert post.states() == ["sent"]


def break_twilio(post: Post) -> None:
    """Have it fail until it is left alone."""
    for n in range(IN_A_ROW):
        post.put("x", phone=f"+25473300000{n}")
    post.providers.will_answer(*[BROKEN] * IN_A_ROW)
    post.worker.run_once()
    assert post.providers.requests == IN_A_ROW


def test_who_fails_again_and_again_is_left_alone_and_the_next_of_the_route_sends(post: Post) -> None:
    break_twilio(post)
    post.put("hello")
    post.worker.run_once()
    post.worker.run_once()
    assert [(taken.provider, taken.text) for taken in post.providers.texts] == [("africastalking", "en: hello")]
    assert post.rows()[-1] == ("sent", 2, "")


def test_without_a_stand_in_texts_wait_and_use_no_attempt(alone: Post) -> None:
    break_twilio(alone)
    alone.put("hello", "again")
    alone.worker.run_once()
    assert alone.rows()[-2:] == [("queued", 0, ""), ("queued", 0, "")]
    assert alone.providers.requests == IN_A_ROW
    assert 1 <= alone.waits()[-1] <= FIRST_SECONDS


def test_after_the_pause_one_text_tries_it_and_the_rest_follow_when_it_came_through(alone: Post) -> None:
    break_twilio(alone)
    for n in range(5):
        alone.put("hello", phone=f"+25473400000{n}")
    alone.pass_time(FIRST_SECONDS)
    alone.providers.will_answer(BROKEN)
    alone.worker.run_once()
    assert alone.providers.requests == IN_A_ROW + 1, "one of ten has tried"
    alone.pass_time(2 * FIRST_SECONDS)
    while alone.worker.run_once():
        alone.pass_time(300)
    assert len(alone.providers.texts) == 10
    assert set(alone.states()) == {"sent"}


def test_a_suspended_account_is_not_tried_a_second_time(post: Post) -> None:
    post.put("first")
    post.providers.will_answer(twilio_error(30002))
    with capture_logs() as logs:
        post.worker.run_once()
        post.put("second", phone=OTHER)
        for _ in range(2):
            post.worker.run_once()
    assert {taken.provider for taken in post.providers.texts} == {"africastalking"}
    assert "critical" in {entry["log_level"] for entry in logs}


def test_too_fast_is_a_rest_for_everything_by_that_provider_and_for_nothing_else(post: Post) -> None:
    post.put("first")
    post.providers.will_answer(throttled(900))
    post.worker.run_once()
    post.put("second", phone=OTHER)
    post.put("by another", phone=OTHER, provider="africastalking")
    assert post.worker.run_once() == 1
    assert [taken.provider for taken in post.providers.texts] == ["africastalking"]
    post.pass_time(900)
    post.worker.run_once()
    assert {taken.text for taken in post.providers.texts[1:]} == {"en: first", "en: second"}


def test_a_number_sends_no_faster_than_its_provider_lets_it(database: Database, providers: FakeProviders) -> None:
    post = Post(database, providers)
    post.worker = post.new_worker(pace=Pace({"twilio": Rate(1, 1)}, post.clock))
    for n in range(100):
        post.put("hello", phone=f"+2547350000{n:02}")
    post.put("hello", provider="africastalking")
    while post.worker.run_once():
        pass
    assert 60 <= len(post.providers.texts) - 1 <= 62, "a minute's worth, and those of another provider"
    assert post.states().count("queued") == 101 - len(post.providers.texts), "the rest waits untried"
    post.pass_time(60)
    while post.worker.run_once():
        pass
    assert set(post.states()) == {"sent"}


def test_long_texts_and_mms_cost_more_of_the_limit() -> None:
    now = [0.0]
    pace = Pace({"twilio": Rate(100, 25)}, lambda: now[0])
    assert pace.shares(["twilio", "kannel"], 9_000) == [(["kannel"], 9_000), (["twilio"], 6_000)]
    for form, words in (("sms", "x" * 161), ("mms", "x"), ("voice", "")):
        pace.sent(Outbound(1, 1, "twilio", Msisdn(PHONE), words, form))  # type: ignore[arg-type]
    pace.sent(Outbound(1, 1, "kannel", Msisdn(PHONE), "x"))
    assert pace.shares(["twilio"], 9_000) == [(["twilio"], 6_000 - 2 - 4)]
    now[0] = 1
    assert pace.shares(["twilio"], 9_000) == [(["twilio"], 6_000)]


def test_what_waits_for_an_answer_of_its_own_is_put_in_order(post: Post) -> None:
    with post.database.begin() as db:
        outbox.put(db, [Row("twilio", PHONE, "en", f"text {n}", {}) for n in range(3)])
    post.providers.will_answer(HANGS_UP)
    post.worker.run_once()
    post.pass_time(60)
    post.worker.run_once()
    assert post.providers.to(PHONE) == ["en: text 0", "en: text 1", "en: text 2"]
