"""USSD over SMPP as each profile speaks it, on the PDUs of an SMSC that is not ours."""

import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from bot.channels import smpp_link, smpp_ussd
from bot.channels.smpp_link import Delivered, Line, Link
from bot.channels.smpp_ussd import Hop, Profile
from bot.messages import Reply
from circulation.msisdn import Msisdn
from tests.fakes.smsc import MISSING, PASSWORD, PATIENCE, SYSTEM_ID, Smsc

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PHONE = Msisdn("+254712345678")
HOPS: Queue[tuple[Link, Delivered]] = Queue()


@pytest.fixture(scope="module")
def smsc() -> Iterator[Smsc]:
    with Smsc() as smsc:
        yield smsc


@pytest.fixture(scope="module")
def line(smsc: Smsc) -> Iterator[Line]:
    login = {"system_id": SYSTEM_ID, "password": PASSWORD, "system_type": ""}
    line, stop = Line(("127.0.0.1", smsc.port), login, lambda *one: HOPS.put(one)), threading.Event()
    thread = threading.Thread(target=line.run_forever, args=[stop])
    thread.start()
    assert line.bound.wait(PATIENCE)
    yield line
    stop.set()
    thread.join()


def hop(smsc: Smsc, profile: Profile, body: bytes, **fields: Any) -> tuple[Hop | None, Delivered]:
    smsc.begin_delivery(body, destination_addr="384", **fields)
    link, delivered = HOPS.get(timeout=PATIENCE)
    link.answer(delivered, 0)
    assert smpp_ussd.is_ussd(delivered)
    return smpp_ussd.hop(profile, delivered), delivered


def shown(smsc: Smsc, line: Line, profile: Profile, delivered: Delivered, reply: Reply) -> dict[str, Any]:
    before = len(smsc.submits)
    assert line.submit(smpp_ussd.screen(profile, delivered, reply), smpp_link.ANSWER_SECONDS).status == 0
    return smsc.submitted(before + 1)[-1]


# name, the session as it comes in, its name to us, what goes back while it is open and at its end
PROFILES = [
    ("standard", {"session": "2a06"}, "2a00", "2a06", "2a07", 17),
    ("tata-like", {"session": "2a06"}, "2a06", "2a06", "2a07", 2),
    ("sixdee-like", {"session": "2a06"}, "2a06", "2a06", "2a07", 23),
    ("mica-like", {"user_message_reference": 0x2A07}, "2a07", 0x2A07, 0x2A07, 23),
]


@pytest.mark.parametrize(
    ("name", "session", "ours", "open_", "ended", "last"), PROFILES, ids=[one[0] for one in PROFILES]
)
def test_a_dialog_is_spoken_as_the_profile_has_it(
    smsc: Smsc, line: Line, name: str, session: dict[str, Any], ours: str, open_: object, ended: object, last: int
) -> None:
    profile = Profile.named(name)
    dialled, delivered = hop(smsc, profile, b"*384*4438#", ussd_service_op=1, **session)
    assert dialled == Hop(PHONE, ours, "begins", "")
    screen = shown(smsc, line, profile, delivered, Reply("1. Buy", more=True))
    parameter = "user_message_reference" if name == "mica-like" else "session"
    assert (screen["text"], screen["ussd_service_op"], screen[parameter]) == ("1. Buy", 2, open_)
    assert (screen["to"], screen["from"], screen["service_type"], screen["coding"]) == (
        PHONE.e164[1:],
        "384",
        "USSD",
        0,
    )

    answered, delivered = hop(smsc, profile, "٤٨٢٦".encode("utf-16-be"), ussd_service_op=18, data_coding=8, **session)
    assert answered == Hop(PHONE, ours, "goes_on", "٤٨٢٦")
    screen = shown(smsc, line, profile, delivered, Reply("Asante, zawadi 🎁"))
    assert (screen["text"], screen["ussd_service_op"], screen[parameter]) == ("Asante, zawadi 🎁", last, ended)
    assert screen["coding"] == 8


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("standard", {"session": "2a07", "ussd_service_op": 18}),
        ("standard", {"session": "2a06", "ussd_service_op": 17}),
        ("tata-like", {"session": "2a06", "ussd_service_op": 17}),
        ("sixdee-like", {"session": "2a06", "ussd_service_op": 129}),
        ("sixdee-like", {"session": "2a07", "ussd_service_op": 18}),
        ("mica-like", {"user_message_reference": 7, "ussd_service_op": 129}),
    ],
)
def test_a_session_that_ends_is_known_by_its_operation_or_its_bit(
    smsc: Smsc, line: Line, name: str, fields: dict[str, Any]
) -> None:
    ended, _ = hop(smsc, Profile.named(name), b"", **fields)
    assert ended is not None and ended.event == "ends"


def test_a_dialog_without_a_session_is_its_phone_s_only_one(smsc: Smsc, line: Line) -> None:
    profile = Profile.named("standard")
    dialled, delivered = hop(smsc, profile, b"*384#", ussd_service_op=1)
    assert dialled == Hop(PHONE, "0000", "begins", "")
    assert shown(smsc, line, profile, delivered, Reply("1. Buy", more=True)).get("session") is None


def test_an_operation_nobody_knows_is_an_answer(smsc: Smsc, line: Line) -> None:
    answered, _ = hop(smsc, Profile.named("standard"), b"1", ussd_service_op=200, session="2a00")
    assert answered == Hop(PHONE, "2a00", "goes_on", "1")


def test_a_hop_is_known_by_its_service_type_too(smsc: Smsc, line: Line) -> None:
    answered, _ = hop(smsc, Profile.named("standard"), b"1", service_type="USSD")
    assert answered == Hop(PHONE, "0000", "goes_on", "1")


def test_a_hop_from_no_phone_is_none(smsc: Smsc, line: Line) -> None:
    assert hop(smsc, Profile.named("standard"), b"1", ussd_service_op=1, sender="384")[0] is None


def test_a_profile_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="standard, tata-like, sixdee-like, mica-like"):
        Profile.named("mine")
