"""The SMPP process as a whole, between an SMSC that is not ours and the real product: texts, dialogs, receipts, crashes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as redis_client
from sqlalchemy import text as sql

from bot.app import build_smpp
from bot.channels import smpp_link, smpp_texts
from bot.config import Settings, SettingsRefused
from bot.messages import Inbound, Reply
from bot.sealing import Seal
from bot.services import Services
from bot.smpp import Gateway
from bot.smpp_memory import Memory
from tests.fakes.smsc import MISSING, Smsc
from tests.people import BUSINESS

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PHONE = "254712345678"
PIN = "4826"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_link, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(smpp_link, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as smsc:
        yield smsc


@pytest.fixture
def settings(plain_settings: Settings, smsc: Smsc) -> Settings:
    """Settings by which the fake SMSC is ours."""
    ours = {"smpp_host": "127.0.0.1", "smpp_port": smsc.port, "smpp_from": "22141", "routes": "sms + smpp"}
    return plain_settings.model_copy(update=ours)


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """The process, but for its signals."""
    gateway, worker = build_smpp(settings)
    stop = threading.Event()
    process = threading.Thread(target=gateway.run_forever, args=[worker, stop])
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join()


@pytest.fixture
def process(settings: Settings, services: Services, smsc: Smsc) -> Iterator[None]:
    """The process, bound."""
    with running(settings):
        smsc.wait("bind")
        yield


class Phone:
    """A phone that dials by SMPP, as a profile of smpp_profiles.toml has it."""

    def __init__(self, smsc: Smsc, number: str = PHONE, session: int = 0x2A00) -> None:
        self.smsc, self.number, self.session = smsc, number, session
        self.last: dict[str, Any] = {}

    def hop(self, operation: int, body: str, **fields: Any) -> dict[str, Any]:
        """The screen that answers a hop."""
        before = len(self.smsc.events)
        info = {"session": f"{self.session:04x}", "ussd_service_op": operation, "service_type": "USSD"}
        status = self.smsc.deliver(smpp_texts.encoded(body)[1], sender=self.number, **{**info, **fields})
        assert status == 0
        self.last = self.smsc.wait("submit", self._is_screen, skip=before)
        return self.last

    def screens(self) -> list[dict[str, Any]]:
        return [one for one in self.smsc.submits if self._is_screen(one)]

    def _is_screen(self, submit: dict[str, Any]) -> bool:
        return bool(submit["service_type"] == "USSD" and submit["to"] == self.number)

    def dial(self) -> str:
        return str(self.hop(1, "*384*4438#")["text"])

    def answer(self, typed: str) -> str:
        return str(self.hop(18, typed)["text"])


def test_a_whole_purchase_is_made_in_a_dialog_and_its_receipt_comes_as_a_text(
    process: None, smsc: Smsc, services: Services
) -> None:
    phone = Phone(smsc)
    assert "1. Buy" in phone.dial()
    assert (phone.last["ussd_service_op"], phone.last["session"]) == (2, "2a00")
    assert (phone.last["to"], phone.last["from"], phone.last["registered_delivery"]) == (PHONE, "22141", 0)
    shown = [phone.answer(typed) for typed in ["1", "2", "1", "2", "1", "1", "Amina", "1", PIN, PIN]]
    assert "KES 510" in shown[-1]
    assert (phone.last["ussd_service_op"], phone.last["session"]) == (2, "2a00")
    assert "KES 500" in phone.answer(PIN)
    assert (phone.last["ussd_service_op"], phone.last["session"]) == (17, "2a01")
    (receipt,) = texts(smsc, 1)
    assert "KES 510" in receipt
    with services.database.begin() as db:
        assert db.execute(sql("SELECT count(*) FROM purchase")).scalar_one() == 1


def test_what_is_typed_and_by_whom_stands_readable_in_no_log_and_not_in_redis(
    process: None, smsc: Smsc, redis: redis_client.Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = Phone(smsc)
    phone.dial()
    for typed in ["1", "2", "1", "2", "1", "1", "Zubeidatoo", "1", PIN, PIN]:
        phone.answer(typed)
    assert smsc.deliver("Zubeidatoo".encode("utf-16-be"), sender=PHONE, data_coding=8, udh="050003a70201") == 0
    kept = b""
    for key in redis.scan_iter("smpp:*"):
        values: list[Any] = list(redis.hgetall(key).values()) if redis.type(key) == b"hash" else [redis.get(key)]
        kept += b"".join([key, *values])
    assert kept.count(b"smpp:") == 2  # the dialog, and the part of a text
    smsc.deliver(b"", sender=PHONE, session="2a01", ussd_service_op=18)
    texts(smsc, 1)  # by then all is said
    said = capfd.readouterr().out
    assert "ussd session ended" in said
    for secret in ("Zubeidatoo", PIN, PHONE):
        assert secret.encode() not in kept and secret.encode("utf-16-be") not in kept and secret not in said


def texts(smsc: Smsc, count: int) -> list[str]:
    """The first texts that were sent, each put together from its parts, as soon as there are so many."""
    while True:
        submits, whole, parts = smsc.submits, [], ""
        for one in (one for one in submits if not one["service_type"]):
            parts += one["text"]
            if not one["udh"] or one["udh"][0][6:8] == one["udh"][0][8:10]:
                whole.append(parts)
                parts = ""
        if len(whole) >= count:
            return whole
        smsc.submitted(len(submits) + 1)


def rows(services: Services) -> list[tuple[str, str, str]]:
    with services.database.as_role(BUSINESS).begin() as db:
        return [tuple(row) for row in db.execute(sql("SELECT provider, state, error_code FROM outbox ORDER BY id"))]


def wait_for(services: Services, expected: list[tuple[str, str, str]]) -> None:
    patience = threading.Event()
    for _ in range(150):
        if rows(services) == expected:
            return
        patience.wait(0.1)
    assert rows(services) == expected


def test_a_text_is_answered_by_a_text_and_its_receipt_is_kept(process: None, smsc: Smsc, services: Services) -> None:
    assert smsc.deliver(b"MENU", sender=PHONE) == 0
    (answer,) = texts(smsc, 1)
    assert "1. Buy" in answer
    name = [one["id"] for one in smsc.submits][-1]
    wait_for(services, [("smpp", "sent", "")])
    assert smsc.deliver(f"id:{name} sub:001 dlvrd:000 stat:UNDELIV err:027 text:Wel".encode(), esm_class=4) == 0
    wait_for(services, [("smpp", "undelivered", "UNDELIV")])
    assert smsc.deliver(b"", esm_class=4, receipted_message_id=name, message_state=2) == 0
    wait_for(services, [("smpp", "delivered", "")])


def test_a_text_delivered_again_on_a_new_bind_is_answered_once_and_a_like_one_later_again(
    process: None, smsc: Smsc, services: Services
) -> None:
    assert smsc.deliver(b"HELP", sender=PHONE) == 0
    first = texts(smsc, 1)
    smsc.tell("hang_up")
    smsc.wait("bind", skip=len(smsc.events))
    assert smsc.deliver(b"HELP", sender=PHONE) == 0
    assert smsc.deliver(b"HELP", sender=PHONE) == 0
    assert texts(smsc, 2) == first * 2
    with services.database.begin() as db:
        assert db.execute(sql("SELECT count(*) FROM inbox")).scalar_one() == 2


@pytest.mark.parametrize("by", ["header", "parameters"])
def test_a_long_text_is_put_together_whatever_part_comes_first(process: None, smsc: Smsc, by: str) -> None:
    for number, body in ((2, "NU"), (1, "ME")):
        if by == "header":
            fields: dict[str, Any] = {"udh": f"050003a702{number:02x}"}
        else:
            fields = {"sar_msg_ref_num": 0xA7, "sar_total_segments": 2, "sar_segment_seqnum": number}
        assert smsc.deliver(body.encode("utf-16-be"), sender=PHONE, data_coding=8, **fields) == 0
    assert "1. Buy" in texts(smsc, 1)[0]


def test_a_hop_whose_screen_was_not_taken_is_answered_again_when_it_comes_again(
    process: None, smsc: Smsc, services: Services
) -> None:
    phone = Phone(smsc)
    phone.dial()
    smsc.tell("answers", statuses=[0x08])
    kinds = phone.answer("1")
    assert "What kind" in kinds
    assert phone.answer("1") == kinds  # not the first kind: the same hop
    assert "Whose certificate?" in phone.answer("2")


def test_a_dialog_that_the_network_ended_is_offered_by_text_and_goes_on_there(process: None, smsc: Smsc) -> None:
    phone = Phone(smsc)
    phone.dial()
    where = [phone.answer(typed) for typed in ("1", "2", "1", "2", "1")][-1]
    assert "become a member" in where
    screens = len(phone.screens())
    end = {"session": "2a01", "ussd_service_op": 18, "service_type": "USSD"}
    assert smsc.deliver(b"", sender=PHONE, **end) == 0
    assert "Reply 1 to go on" in texts(smsc, 1)[0]
    assert smsc.deliver(b"1", sender=PHONE) == 0
    assert "become a member" in texts(smsc, 2)[1]
    assert len(phone.screens()) == screens


def test_two_phones_with_one_session_number_are_two_dialogs(process: None, smsc: Smsc) -> None:
    one, other = Phone(smsc), Phone(smsc, "254712345679")
    one.dial()
    other.dial()
    assert "What kind" in one.answer("1")
    assert "What kind" in other.answer("1")


def test_a_dialog_goes_on_after_the_process_was_started_anew(
    settings: Settings, services: Services, smsc: Smsc
) -> None:
    phone = Phone(smsc)
    with running(settings):
        smsc.wait("bind")
        phone.dial()
        assert "What kind" in phone.answer("1")
    with running(settings):
        smsc.wait("bind", skip=len(smsc.events))
        assert "Whose certificate?" in phone.answer("2")


def test_an_answer_in_a_dialog_we_have_forgotten_does_nothing_and_shows_where_the_person_is(
    process: None, smsc: Smsc, redis: redis_client.Redis
) -> None:
    phone = Phone(smsc)
    phone.dial()
    phone.answer("1")
    redis.flushdb()
    assert "1. Buy" in phone.answer("2")


def test_without_redis_a_text_is_put_off_and_a_dialog_told_that_nothing_was_done(
    settings: Settings, database_url: str, smsc: Smsc
) -> None:
    with running(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})):
        smsc.wait("bind")
        assert smsc.deliver(b"MENU", sender=PHONE) == 0x64
        phone = Phone(smsc)
        assert "Nothing was charged" in phone.dial()
        assert phone.last["ussd_service_op"] == 17


def test_a_text_under_way_when_the_smsc_dies_is_sent_when_it_is_back(
    settings: Settings, services: Services, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sending.RETRY_SECONDS", (1, 1, 1, 1, 1))
    monkeypatch.setattr("bot.sending.LOOK_SECONDS", 1)
    with running(settings):
        smsc.wait("bind")
        smsc.tell("answers", statuses=[None])
        assert smsc.deliver(b"MENU", sender=PHONE) == 0
        smsc.submitted(1)
        smsc.kill()
        with Smsc(smsc.port) as again:
            assert "1. Buy" in texts(again, 1)[0]
            wait_for(services, [("smpp", "sent", "")])


def test_names_and_short_codes_are_heard_and_not_answered(process: None, smsc: Smsc) -> None:
    assert smsc.deliver(b"MENU", sender=PHONE) == 0
    assert len(texts(smsc, 1)) == 1
    assert smsc.deliver(b"MENU", sender="MPESA", source_addr_ton=5) == 0
    assert smsc.deliver(b"MENU", sender="22141", source_addr_ton=3) == 0
    assert smsc.deliver(b"MENU", sender="254712345679") == 0
    texts(smsc, 2)
    assert [one["to"] for one in smsc.submits] == [PHONE, "254712345679"]


class Turns:
    """Turns that wait until they may go on, behind a gateway that is bound."""

    def __init__(self, settings: Settings, redis: redis_client.Redis, smsc: Smsc) -> None:
        self.begun: list[Inbound] = []
        self.go_on = threading.Event()
        self.waits_for = PHONE
        ours = settings.model_copy(update={"smpp_host": "127.0.0.1", "smpp_port": smsc.port})
        memory = Memory(redis, Seal("k" * 32))
        self._gateway = Gateway(ours, self._turn, lambda _: None, memory, lambda *_: None, str)

    def _turn(self, inbound: Inbound) -> Reply:
        self.begun.append(inbound)
        if inbound.msisdn.e164 == f"+{self.waits_for}":
            self.go_on.wait(10)
        return Reply("")

    @contextmanager
    def bound(self, smsc: Smsc) -> Iterator[None]:
        stop = threading.Event()
        line = threading.Thread(target=self._gateway.line.run_forever, args=[stop])
        line.start()
        smsc.wait("bind")
        try:
            yield
        finally:
            self.go_on.set()
            stop.set()
            line.join()

    def wait(self, count: int) -> None:
        pause = threading.Event()
        for _ in range(1_000):
            if len(self.begun) >= count:
                return
            pause.wait(0.01)
        raise AssertionError(f"{len(self.begun)} turns of {count}")


@pytest.fixture
def turns(plain_settings: Settings, redis: redis_client.Redis, smsc: Smsc) -> Turns:
    return Turns(plain_settings, redis, smsc)


def heard_at_last(smsc: Smsc, tag: int) -> int:
    return int(smsc.wait("delivered", lambda one: one["tag"] == tag)["status"])


def test_what_comes_faster_than_it_can_be_heard_stays_with_the_smsc(
    smsc: Smsc, plain_settings: Settings, redis: redis_client.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.smpp.MOST_WAITING", 2)
    turns = Turns(plain_settings, redis, smsc)
    with turns.bound(smsc):
        first, second = smsc.begin_delivery(b"1"), smsc.begin_delivery(b"2")
        assert smsc.deliver(b"3") == 0x64
        turns.go_on.set()
        assert [heard_at_last(smsc, tag) for tag in (first, second)] == [0, 0]


def test_a_slow_turn_holds_up_what_its_own_phone_sends_and_no_other_phone(smsc: Smsc, turns: Turns) -> None:
    with turns.bound(smsc):
        tags = [smsc.begin_delivery(words) for words in (b"1", b"2")]
        others = [f"2547123450{number:02}" for number in range(12)]
        tags += [smsc.begin_delivery(b"1", sender=other) for other in others]
        turns.wait(2)
        assert [one.text for one in turns.begun if one.msisdn.e164 == f"+{PHONE}"] == ["1"]
        assert any(one.msisdn.e164 != f"+{PHONE}" for one in turns.begun)
        turns.go_on.set()
        assert {heard_at_last(smsc, tag) for tag in tags} == {0}
    assert [one.text for one in turns.begun if one.msisdn.e164 == f"+{PHONE}"] == ["1", "2"]


def test_a_text_whose_answer_never_reached_the_smsc_keeps_its_name_when_it_comes_again(
    smsc: Smsc, turns: Turns
) -> None:
    with turns.bound(smsc):
        smsc.begin_delivery(b"BUY")
        turns.wait(1)
        smsc.tell("hang_up")
        smsc.wait("bind", skip=len(smsc.events))
        turns.go_on.set()
        assert smsc.deliver(b"BUY") == 0
        assert smsc.deliver(b"BUY") == 0
    keys = [one.key for one in turns.begun]
    assert keys[0] == keys[1] != keys[2]


def test_an_unknown_profile_is_refused_at_the_start(settings: Settings) -> None:
    with pytest.raises(SettingsRefused, match="SMPP_PROFILE: there is no profile 'mine'"):
        build_smpp(settings.model_copy(update={"smpp_profile": "mine"}))


def test_where_no_smsc_is_named_the_process_says_so_and_waits_for_its_end() -> None:
    environment = {**os.environ, "GIFTLINE_MODE": "development", "SMPP_HOST": ""}
    process = subprocess.Popen([sys.executable, "-m", "bot.smpp"], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert "no SMSC is named" in process.stdout.readline()
    process.terminate()
    rest, _ = process.communicate(timeout=20)
    assert (rest, process.returncode) == ("", 0)
