"""The real Kannel between an SMSC that is not ours and our doors: what it sends, what it brings, and what it does when one
side is down."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from bot.channels.kannel import Kannel
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, Reply, SendFailed, Unavailable
from circulation.msisdn import Msisdn
from tests.fakes.kannel import MISSING, kannel
from tests.fakes.smsc import PATIENCE, Smsc
from webhooks import kannel as doors

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PHONE = "254712345678"
SECRET, PASSWORD = "dev-kannel-secret", "dev-kannel-password"


class Giftline:
    """Our doors, with a turn behind them that notes what came in. `down`: it can take nothing now, so many times."""

    def __init__(self) -> None:
        self.turns: list[Inbound] = []
        self.receipts: list[Receipt] = []
        self.down = 0
        self.come = threading.Condition()
        settings = Settings(giftline_mode="development")
        app = Flask("doors")
        app.register_blueprint(doors.blueprint(Kannel(settings), self.take_turn, self.receipts_come))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()

    def take_turn(self, inbound: Inbound) -> Reply:
        with self.come:
            self.come.notify_all()
            if self.down:
                self.down -= 1
                raise Unavailable("not now")
            self.turns.append(inbound)
        return Reply("never sent by Kannel")

    def receipts_come(self, receipt: Receipt) -> None:
        with self.come:
            self.receipts.append(receipt)
            self.come.notify_all()

    def text(self, count: int) -> list[Inbound]:
        with self.come:
            assert self.come.wait_for(lambda: len(self.turns) >= count, PATIENCE), self.turns
            return self.turns[:count]

    def told(self, row: int, count: int) -> list[tuple[str, str]]:
        """What was reported of one row of ours."""

        def told() -> list[tuple[str, str]]:
            return [(one.state, one.error_code) for one in self.receipts if one.outbox_id == row]

        with self.come:
            assert self.come.wait_for(lambda: len(told()) >= count, PATIENCE), self.receipts
            return told()


@pytest.fixture(scope="module")
def giftline() -> Iterator[Giftline]:
    giftline = Giftline()
    yield giftline
    giftline.close()


@pytest.fixture(scope="module")
def smsc() -> Iterator[Smsc]:
    with Smsc() as smsc:
        yield smsc


@pytest.fixture(scope="module")
def url(giftline: Giftline, smsc: Smsc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("kannel")
    with kannel(folder, smsc.port, giftline.url, SECRET, PASSWORD) as url:
        smsc.wait("bind")
        yield url


@pytest.fixture(autouse=True)
def nothing_from_before(giftline: Giftline) -> None:
    giftline.turns.clear()
    giftline.receipts.clear()


def send(url: str, giftline: Giftline, words: str, number: int = 7, **values: str) -> None:
    settings = Settings(
        giftline_mode="development",
        kannel_url=url,
        public_base_url=giftline.url,
        **values,  # type: ignore[arg-type]
    )
    assert Kannel(settings).send(Outbound(number, 1, "kannel", Msisdn(f"+{PHONE}"), words)).provider_id == ""


def arrived(smsc: Smsc, before: int) -> str:
    """The text that came after so many submits, put together from its parts."""
    words = ""
    while True:
        before += 1
        part = smsc.submitted(before)[-1]
        assert (part["to"], part["from"]) == (PHONE, "22141")
        words += part["text"]
        header = part["udh"][0] if part["udh"] else "0000"
        if header[-4:-2] == header[-2:]:
            return str(words)


@pytest.mark.parametrize(
    "words",
    [
        "Habari! @£$ €[]{}~^| ÄÖ à\n2. Menu & more + 100%",
        "Kadi ya KES 500 imefika. " * 12,
        "هدية من أمينة: ٥٠٠ شلن",
        "🎁 هدية من أمينة " * 12,
    ],
    ids=["GSM-7", "long GSM-7", "UCS-2", "long UCS-2 with emoji"],
)
def test_a_text_reaches_the_smsc_as_it_was_written(url: str, giftline: Giftline, smsc: Smsc, words: str) -> None:
    before = len(smsc.submits)
    send(url, giftline, words)
    assert arrived(smsc, before) == words


def test_the_reports_of_a_text_name_our_row(url: str, giftline: Giftline, smsc: Smsc) -> None:
    for number, stat, state, code in ((11, "DELIVRD", "delivered", ""), (12, "UNDELIV", "undelivered", "2")):
        before = len(smsc.submits)
        send(url, giftline, "Habari", number)
        name = smsc.submitted(before + 1)[-1]["id"]
        giftline.told(number, 1)
        words = f"id:{name} sub:001 dlvrd:001 submit date:2611201200 done date:2611201201 stat:{stat} err:000 text:Hab"
        assert smsc.deliver(words.encode(), esm_class=4) == 0
        assert giftline.told(number, 2) == [("sent", ""), (state, code)]


def test_a_text_that_the_smsc_rejects_is_reported_as_failed(url: str, giftline: Giftline, smsc: Smsc) -> None:
    smsc.tell("answers", statuses=[0x0B])
    send(url, giftline, "Habari", 13)
    assert giftline.told(13, 1) == [("failed", "16")]


@pytest.mark.parametrize(
    ("body", "fields", "words"),
    [
        (b"GIFT 500", {}, "GIFT 500"),
        ("CHECK £5 & 10% + é".encode("latin-1"), {"data_coding": 3}, "CHECK £5 & 10% + é"),
        ("نعم 🎁".encode("utf-16-be"), {"data_coding": 8}, "نعم 🎁"),
    ],
)
def test_a_text_from_a_phone_takes_a_turn_and_kannel_says_nothing(
    url: str, giftline: Giftline, smsc: Smsc, body: bytes, fields: dict[str, int], words: str
) -> None:
    before = len(smsc.submits)
    assert smsc.deliver(body, sender=PHONE, **fields) == 0
    (turn,) = giftline.text(1)
    assert (turn.provider, turn.channel, turn.msisdn.e164, turn.text) == ("kannel", "sms", f"+{PHONE}", words)
    assert len(turn.key) == 36
    assert len(smsc.submits) == before


def test_a_text_that_cannot_be_taken_now_comes_again_under_its_name_and_nobody_is_texted(
    url: str, giftline: Giftline, smsc: Smsc
) -> None:
    giftline.down = 2
    before = len(smsc.submits)
    assert smsc.deliver(b"BUY", sender=PHONE) == 0
    (turn,) = giftline.text(1)
    assert (turn.text, giftline.down) == ("BUY", 0)
    assert len(smsc.submits) == before


def test_a_wrong_password_is_an_alarm(url: str, giftline: Giftline) -> None:
    with pytest.raises(SendFailed) as caught:
        send(url, giftline, "Habari", kannel_password="wrong")
    assert (caught.value.policy, caught.value.code) == ("alarm", "http_403")


def test_a_wrong_path_is_an_alarm(url: str, giftline: Giftline) -> None:
    with pytest.raises(SendFailed) as caught:
        send(url + "x", giftline, "Habari")
    assert (caught.value.policy, caught.value.code) == ("alarm", "http_404")


def test_a_kannel_that_is_down_took_nothing(tmp_path: Path, giftline: Giftline, smsc: Smsc) -> None:
    with kannel(tmp_path, smsc.port, giftline.url, SECRET, PASSWORD) as url:
        pass
    with pytest.raises(SendFailed) as caught:
        send(url, giftline, "Habari")
    assert (caught.value.policy, caught.value.code) == ("later", "not_connected")
