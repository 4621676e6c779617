"""SMPP texts on an SMSC that is not ours: what it takes, how it is throttled and lost, and what it says of them later."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from socket import socketpair

import pytest

from bot.channels import smpp, smpp_link
from bot.channels.smpp import Smpp
from bot.channels.smpp_link import Delivered, Line, Link, NotSent
from bot.config import Settings
from bot.messages import Outbound, Receipt, SendFailed
from circulation.delivery_codes import SMPP
from circulation.msisdn import Msisdn
from tests.fakes.smsc import MISSING, PASSWORD, PATIENCE, SYSTEM_ID, Smsc

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PHONE = Msisdn("+254712345678")
LONG = "Zawadi yako ni € [500]. " * 20
LOGIN = {"system_id": SYSTEM_ID, "password": PASSWORD, "system_type": "VMA"}


class Ours:
    """Our end of the line: the channel, and what was heard."""

    def __init__(
        self, smsc: Smsc, window: int = smpp_link.WINDOW, login: dict[str, str] = LOGIN, **values: str
    ) -> None:
        self.heard: Queue[tuple[Link, Delivered]] = Queue()
        settings = Settings(giftline_mode="development", smpp_from="22141", **values)  # type: ignore[arg-type]
        self.line = Line(("127.0.0.1", smsc.port), login, lambda *one: self.heard.put(one), window)
        self.channel = Smpp(settings, self.line)

    def send(self, text: str = "Habari", number: int = 7) -> str:
        return self.channel.send(Outbound(number, 1, "smpp", PHONE, text)).provider_id

    def next(self) -> tuple[Link, Delivered]:
        return self.heard.get(timeout=PATIENCE)


@contextmanager
def bound(smsc: Smsc, **values: object) -> Iterator[Ours]:
    """Our end while it is bound, or at least tries to be."""
    ours, stop = Ours(smsc, **values), threading.Event()  # type: ignore[arg-type]
    thread = threading.Thread(target=ours.line.run_forever, args=[stop])
    thread.start()
    try:
        if values.get("login", LOGIN) == LOGIN:
            assert ours.line.bound.wait(PATIENCE)
        yield ours
    finally:
        stop.set()
        thread.join()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_link, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(smpp_link, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    with Smsc() as smsc:
        yield smsc


def refused(send: Callable[[], object]) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        send()
    return caught.value


def test_it_binds_as_a_transceiver_and_takes_leave(smsc: Smsc) -> None:
    with bound(smsc):
        bind = smsc.wait("bind")
    assert (bind["command"], bind["taken"], bind["system_type"], bind["version"]) == (
        "bind_transceiver",
        True,
        "VMA",
        0x34,
    )
    smsc.wait("unbind")


def test_wrong_credentials_are_tried_again(smsc: Smsc) -> None:
    with bound(smsc, login=LOGIN | {"password": "wrong"}) as ours:
        smsc.wait("bind", skip=1)
        smsc.wait("bind", skip=4)
        assert not ours.line.bound.is_set()
        assert refused(ours.send).code == "not_bound"
    assert not any(bind["taken"] for bind in smsc.events if bind["event"] == "bind")


@pytest.mark.parametrize(
    ("text", "coding"),
    [("Habari! @£€[]{}~^|\\ ÄÖ à Ω\n2.", 0), ("هدية من أمينة", 8), ("Zawadi 🎁", 8)],
)
def test_a_short_text_arrives_as_one_message(smsc: Smsc, text: str, coding: int) -> None:
    with bound(smsc) as ours:
        name = ours.send(text)
    (taken,) = smsc.submits
    assert (taken["text"], taken["coding"], taken["to"], taken["from"]) == (text, coding, "254712345678", "22141")
    assert (taken["ton"], taken["npi"], taken["esm_class"], taken["registered_delivery"]) == ([3, 1], [0, 1], 0, 1)
    assert taken["id"] == name and taken["udh"] == []


@pytest.mark.parametrize("text", [LONG, "🎁 هدية " * 30])
def test_the_parts_of_a_long_text_leave_in_order_under_one_number(smsc: Smsc, text: str) -> None:
    with bound(smsc) as ours:
        last = ours.send(text, number=0x1234)
    parts = smsc.submits
    assert "".join(part["text"] for part in parts) == text and len(parts) > 2
    assert [part["udh"] for part in parts] == [[f"000334{len(parts):02x}{at:02x}"] for at in range(1, len(parts) + 1)]
    assert {part["esm_class"] for part in parts} == {0x40}
    assert parts[-1]["id"] == last


@pytest.mark.parametrize(
    ("ours", "source"),
    [
        ("", (0, 0, "")),
        ("22141", (3, 0, "22141")),
        ("+254700000001", (1, 1, "254700000001")),
        ("Giftline", (5, 0, "Giftline")),
    ],
)
def test_our_number_is_named_by_its_kind(ours: str, source: tuple[int, int, str]) -> None:
    assert tuple(smpp.source_address(ours).values()) == source


@pytest.mark.parametrize(
    ("status", "policy"),
    [
        *((int(code, 16), action) for code, action in SMPP.items() if code.startswith("0x") and action != "slow"),
        (0x3FF, "later"),
    ],
)
def test_each_refusal_has_its_policy(smsc: Smsc, status: int, policy: str) -> None:
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[status])
        failed = refused(ours.send)
    assert (failed.policy, failed.code) == (policy, f"0x{status:02x}")


@pytest.mark.parametrize("status", sorted(smpp.TOO_FAST))
def test_a_throttled_part_is_handed_over_again_and_no_other(smsc: Smsc, status: int) -> None:
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[0, status, status, 0])
        ours.send(LONG)
    assert [taken["udh"][0][-1] for taken in smsc.submits] == ["1", "2", "2", "2", "3", "4"]


def test_an_smsc_that_throttles_for_long_makes_the_text_wait(smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp, "LAST_START_SECONDS", 0.6)
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[0x58] * 9)
        failed = refused(ours.send)
    assert (failed.policy, failed.code) == ("slow", "0x58")


def test_the_next_attempt_goes_on_after_the_parts_that_were_taken(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[0, 0, 0x08])
        assert refused(lambda: ours.send(LONG)).policy == "later"
        ours.send(LONG)
    assert [taken["udh"][0][-1] for taken in smsc.submits] == ["1", "2", "3", "3", "4"]


def test_a_submit_without_an_answer_is_unknown(smsc: Smsc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_link, "ANSWER_SECONDS", 0.3)
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[None])
        failed = refused(ours.send)
    assert (failed.policy, failed.code) == ("unknown", "no_answer")


def test_no_more_submits_wait_for_an_answer_than_the_window_holds(smsc: Smsc) -> None:
    smsc.tell("slow", milliseconds=150)
    with bound(smsc, window=2) as ours:
        begun = time.monotonic()
        threads = [threading.Thread(target=ours.send, args=["Habari", number]) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
    assert len(smsc.submits) == 6
    assert took >= 0.45  # three rounds of two


def test_an_smsc_that_dies_in_the_middle_leaves_the_outcome_unknown_and_is_bound_again(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        smsc.tell("answers", statuses=[None])
        outcome: list[SendFailed] = []
        sending = threading.Thread(target=lambda: outcome.append(refused(ours.send)))
        sending.start()
        smsc.submitted(1)
        smsc.kill()
        sending.join()
        assert (outcome[0].policy, outcome[0].code) == ("unknown", "no_answer")
        assert refused(ours.send).code in {"not_bound", "link_lost"}
        with Smsc(smsc.port) as again:
            again.wait("bind")
            assert ours.line.bound.wait(PATIENCE)
            ours.send("Habari tena")
            assert again.submits[0]["text"] == "Habari tena"


def test_an_smsc_that_takes_leave_is_answered_and_bound_again(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        smsc.tell("unbind")
        smsc.wait("answered")
        smsc.wait("bind", skip=len(smsc.events))
        assert ours.line.bound.wait(PATIENCE)


def test_a_quiet_smsc_is_asked_whether_it_is_there_and_a_dead_one_left(
    smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smpp_link, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(smpp_link, "ANSWER_SECONDS", 0.3)
    with bound(smsc):
        smsc.wait("enquired")
        smsc.tell("enquire")
        smsc.wait("answered")
        smsc.tell("deaf")
        smsc.wait("closed")


def test_what_is_no_smpp_ends_the_line() -> None:
    one, other = socketpair()
    with one, other, pytest.raises(ConnectionAbortedError):
        other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        Link(one, lambda *_: None, 1).attend(threading.Event())


def test_what_could_not_be_written_was_not_sent() -> None:
    one, other = socketpair()
    other.close()
    with one, pytest.raises(NotSent, match="link_lost"):
        Link(one, lambda *_: None, 1).submit({"short_message": b"x"}, 1)


# What the SMSC delivers -----------------------------------------------------------------------------------------------


def heard(smsc: Smsc, ours: Ours, body: bytes, **fields: object) -> Delivered:
    tag = smsc.begin_delivery(body, **fields)  # type: ignore[arg-type]
    link, delivered = ours.next()
    assert link.answer(delivered, 0)
    assert smsc.wait("delivered", lambda one: one["tag"] == tag)["status"] == 0
    return delivered


def receipt(smsc: Smsc, ours: Ours, words: str, **fields: object) -> Receipt | None:
    delivered = heard(smsc, ours, words.encode("latin-1"), esm_class=4, **fields)
    assert smpp.is_receipt(delivered)
    return ours.channel.receipt(delivered)


def said(name: str, stat: str, err: str = "000") -> str:
    return (
        f"id:{name} sub:001 dlvrd:001 submit date:2611201200 done date:2611201201 stat:{stat} err:{err} text:Your code"
    )


@pytest.mark.parametrize(
    ("stat", "state", "code"),
    [
        ("DELIVRD", "delivered", ""),
        ("EXPIRED", "undelivered", "EXPIRED"),
        ("UNDELIV", "undelivered", "UNDELIV"),
        ("REJECTD", "failed", "REJECTD"),
        ("ACCEPTD", "sent", ""),
    ],
)
def test_a_receipt_in_words_is_read(smsc: Smsc, stat: str, state: str, code: str) -> None:
    with bound(smsc) as ours:
        name = ours.send()
        assert receipt(smsc, ours, said(name, stat, "027")) == Receipt("smpp", name, 0, state, code)  # type: ignore[arg-type]
        assert receipt(smsc, ours, said(name, "UNKNOWN")) is None


def test_a_receipt_in_parameters_is_read_and_counts_for_more_than_its_words(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        told = receipt(smsc, ours, said("other", "DELIVRD"), receipted_message_id="m-1", message_state=5)
        assert told == Receipt("smpp", "m-1", 0, "undelivered", "UNDELIV")
        assert receipt(smsc, ours, "", receipted_message_id="m-1", message_state=7) is None


@pytest.mark.parametrize(("ids", "written"), [("decimal", str), ("hex", lambda number: f"{number:010X}")])
def test_a_receipt_that_writes_the_id_in_another_base_is_understood(
    smsc: Smsc, ids: str, written: Callable[[int], str]
) -> None:
    smsc.tell("ids", **{"as": "hex" if ids == "decimal" else "decimal"})
    with bound(smsc, smpp_receipt_ids=ids) as ours:
        name = ours.send()
        number = int(smsc.submits[0]["id"], 16 if ids == "decimal" else 10)
        told = receipt(smsc, ours, said(written(number), "DELIVRD"))
    assert told == Receipt("smpp", name, 0, "delivered")


def test_a_long_text_is_delivered_when_all_its_parts_are(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        last = ours.send(LONG)
        first, *others = [part["id"] for part in smsc.submits]
        assert [receipt(smsc, ours, said(name, "DELIVRD")) for name in reversed(others)] == [None] * len(others)
        assert receipt(smsc, ours, said(first, "DELIVRD")) == Receipt("smpp", last, 0, "delivered")


def test_a_long_text_is_not_delivered_when_one_part_is_not(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        last = ours.send(LONG)
        first, second, *_ = [part["id"] for part in smsc.submits]
        assert receipt(smsc, ours, said(first, "DELIVRD")) is None
        assert receipt(smsc, ours, said(second, "EXPIRED", "1")) == Receipt("smpp", last, 0, "undelivered", "EXPIRED")


def test_a_deliver_sm_with_parameters_nobody_knows_is_read(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        delivered = heard(smsc, ours, b"BUY", dest_addr_np_country=254, dpf_result=1, source_network_type=1)
        assert smpp.text(delivered).body == b"BUY"
    assert len(delivered.tlvs) >= 2


def test_a_text_from_a_name_has_no_phone(smsc: Smsc) -> None:
    with bound(smsc) as ours:
        assert smpp.text(heard(smsc, ours, b"x", sender="MPESA", source_addr_ton=5)).msisdn is None
        assert smpp.text(heard(smsc, ours, b"x", sender="254712345678", source_addr_ton=5)).msisdn is None
        assert smpp.text(heard(smsc, ours, b"x", sender="22141", source_addr_ton=3)).msisdn is None
        assert smpp.text(heard(smsc, ours, b"x")).msisdn == PHONE
