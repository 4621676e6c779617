"""The mail server of bin/dev, and the page on which its mails are read."""

import smtplib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import requests
from redis import Redis

from bot.channels.email import Smtp
from bot.channels.mail_addresses import MailAddresses
from bot.messages import Enclosed, Outbound
from circulation.email_address import Email
from phones.airwaves import Airwaves
from phones.mail_server import MailServer

if TYPE_CHECKING:
    from tests.phones.conftest import Product

CARD = Enclosed("card", "https://giftline.example/m/1/card.jpg", "image/jpeg", b"\xff\xd8 a picture")
SONG = Enclosed("sound", "https://giftline.example/m/3/sound.mp3", "audio/mpeg", b"ID3 a song")
WORDS = "A gift for you\n\n.dots\n..begin lines <b>\n\nhttps://giftline.example/g/token"


@pytest.fixture
def port(redis: Redis) -> Iterator[int]:
    """The port of a mail server."""
    with MailServer(0, Airwaves(redis).post) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def test_a_mail_of_the_products_is_read_with_its_picture_sound_and_link(product: "Product", port: int) -> None:
    smtp = Smtp(f"smtp://127.0.0.1:{port}", MailAddresses("gifts@giftline.example", b"k" * 32))
    smtp.send(Outbound(42, 1, "smtp", Email("carol@example.org"), WORDS, "email", (CARD, SONG)))

    page = requests.get(f"{product.url}/phones/mail", timeout=20).text
    assert "A gift for you" in page and "carol@example.org" in page
    frame = page.partition('<iframe title="A gift for you" src="')[2].partition('"')[0]
    shown = requests.get(product.url + frame, timeout=20)
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert 'src="data:image/jpeg;base64,' in shown.text
    assert '<a target="_blank" rel="noopener" href="https://giftline.example/g/token">' in shown.text
    assert ".dots\n..begin lines &lt;b&gt;" in shown.text.replace("\r", "")
    sound = page.partition(f'<a href="{frame}/')[2].partition('"')[0]
    assert requests.get(f"{product.url}{frame}/{sound}", timeout=20).content == SONG.body
    assert requests.get(f"{product.url}{frame}/0", timeout=20).status_code == 404
    assert requests.get(f"{product.url}/phones/mail/1-1", timeout=20).status_code == 404


def test_the_server_says_what_it_does_not_understand_and_goes_on(port: int, redis: Redis) -> None:
    with smtplib.SMTP("127.0.0.1", port, "localhost") as client:
        client.helo()
        assert client.docmd("EXPN", "all")[0] == 502
        assert client.docmd("RCPT", "TO:<a@example.org>")[0] == 503
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("MAIL", "FROM: nobody")[0] == 501
        client.sendmail("a@example.org", ["b@example.org"], "Subject: hi\r\n\r\n.\r\n")

    [(_, mail)] = Airwaves(redis).mails()
    assert mail == b"Subject: hi\r\n\r\n.\r\n"
