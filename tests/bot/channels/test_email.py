"""E-mail by a real SMTP server: what a mail holds, and what follows from every way in which it can be refused."""

import datetime as dt
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.channels import CONNECT_SECONDS, email
from bot.channels.email import Smtp, written
from bot.channels.mail_addresses import MailAddresses
from bot.messages import Enclosed, Outbound, SendFailed
from circulation.delivery_codes import SMTP
from circulation.email_address import Email
from tests.fakes.mail import FakeMailServer

ADDRESSES = MailAddresses("gifts@giftline.example", b"k" * 32)
PAGE = Enclosed("page", "https://giftline.example/g/token", "text/html")
CARD = Enclosed("card", "https://giftline.example/m/1/card.jpg", "image/jpeg", b"\xff\xd8 a picture")
CODE = Enclosed("barcode", "https://giftline.example/m/2/barcode.png", "image/png", b"\x89PNG a code")
SONG = Enclosed("sound", "https://giftline.example/m/3/sound.mp3", "audio/mpeg", b"ID3 a song")
WORDS = (
    'Zoë has a gift for you: Naivas KES 500\n\nMessage from Zoë: "<b>Hi & bye</b>"\n\nhttps://giftline.example/g/token'
)


def outbound(text: str = WORDS, *enclosed: Enclosed, to: str = "carol@example.org") -> Outbound:
    return Outbound(42, 1, "smtp", Email(to), text, "email", enclosed)


@pytest.fixture
def server() -> Iterator[FakeMailServer]:
    with FakeMailServer() as server:
        yield server


def refusal(server: FakeMailServer) -> tuple[str, str]:
    with pytest.raises(SendFailed) as failed:
        Smtp(server.url, ADDRESSES).send(outbound())
    return failed.value.policy, failed.value.code


def test_a_mail_has_words_and_a_page_with_its_pictures_and_the_sound_beside_them(server: FakeMailServer) -> None:
    sent = Smtp(server.url, ADDRESSES).send(outbound(WORDS, PAGE, CARD, CODE, SONG))
    (taken,) = server.taken
    mail = taken.mail
    assert (taken.sender, taken.to) == (ADDRESSES.bounces(42), "carol@example.org")
    assert mail["Subject"] == "Zoë has a gift for you: Naivas KES 500"
    assert mail["From"] == "Giftline <gifts@giftline.example>"
    assert mail["Message-ID"] == sent.provider_id == ADDRESSES.message_id(42)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == (
        f"<mailto:{ADDRESSES.unsubscribes(42)}>, <https://giftline.example/g/token/no-more>"
    )
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert isinstance(plain, EmailMessage) and isinstance(page, EmailMessage)
    assert plain.get_content().replace("\r\n", "\n").strip() == WORDS
    shown = page.get_content()
    assert "&lt;b&gt;Hi &amp; bye&lt;/b&gt;" in shown and '<a href="https://giftline.example/g/token">' in shown
    parts = {part.get_content_type(): part for part in mail.walk()}
    for kind, one in (("image/jpeg", CARD), ("image/png", CODE)):
        assert parts[kind].get_content() == one.body
        assert f'src="cid:{parts[kind]["Content-ID"][1:-1]}"' in shown
    (sound,) = mail.iter_attachments()
    assert (sound.get_content(), sound.get_filename()) == (SONG.body, "sound.mp3")


def test_a_mail_of_words_alone_has_no_page_to_unsubscribe_at(server: FakeMailServer) -> None:
    Smtp(server.url, ADDRESSES).send(outbound("Amina took back the gift\n\n.\n..It no longer waits."))
    mail = server.taken[0].mail
    assert mail["List-Unsubscribe"] == f"<mailto:{ADDRESSES.unsubscribes(42)}>"
    assert mail["List-Unsubscribe-Post"] is None
    body = mail.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    assert body.get_content().splitlines()[2:4] == [".", "..It no longer waits."]


@pytest.mark.parametrize(
    "evil", ["Amina\r\nBcc: eve@example.org", "Amina\nX: y", "a\x0bb\x85c\u2028Bcc: eve@example.org"]
)
def test_nothing_that_was_typed_becomes_a_header(evil: str) -> None:
    mail = written(outbound(f"{evil} gives you a gift\n\nBcc: eve@example.org"), ADDRESSES)
    names = mail.as_bytes().split(b"\r\n\r\n")[0].lower()
    assert b"\r\nbcc:" not in names and b"\r\nx:" not in names
    assert mail["To"] == "carol@example.org"


@pytest.mark.parametrize(
    ("when", "answer", "policy", "code"),
    [
        ("RCPT", "550 5.1.1 no such user carol@example.org", "never", "5.1.1"),
        ("RCPT", "550 5.1.2 no such domain", "never", "5.1.2"),
        ("RCPT", "553 5.1.3 bad address", "never", "5.1.3"),
        ("RCPT", "551 5.1.6 moved", "never", "5.1.6"),
        ("RCPT", "556 5.1.10 null MX", "never", "5.1.10"),
        ("RCPT", "550 5.2.1 mailbox disabled", "never", "5.2.1"),
        ("RCPT", "552 5.2.2 mailbox full", "once", "5.2.2"),
        ("RCPT", "550 no such user", "never", "550"),
        ("RCPT", "551 not here", "never", "551"),
        ("RCPT", "553 bad name", "never", "553"),
        ("RCPT", "554 5.7.1 relay denied", "other", "5.7.1"),
        ("RCPT", "554 no", "other", "554"),
        ("RCPT", "599 what", "never", "599"),
        ("RCPT", "450 4.2.1 greylisted", "later", "4.2.1"),
        ("RCPT", "451 4.1.1 perhaps no such user", "later", "4.1.1"),
        ("RCPT", "452 4.2.2 full", "later", "4.2.2"),
        ("RCPT", "503 wrong order", "alarm", "503"),
        ("MAIL", "550 5.7.1 we do not know you", "alarm", "5.7.1"),
        ("MAIL", "530 5.7.0 authentication needed", "alarm", "5.7.0"),
        ("MAIL", "421 4.3.2 going down", "later", "4.3.2"),
        ("DATA", "451 4.3.0 try later", "later", "4.3.0"),
        ("DATA", "554 5.5.1 no valid recipients", "other", "5.5.1"),
        ("END", "552 5.2.3 too large for the mailbox", "never", "5.2.3"),
        ("END", "552 5.3.4 too large", "never", "5.3.4"),
        ("END", "552 too large", "never", "552"),
        ("END", "554 5.7.1 looks like spam", "other", "5.7.1"),
        ("END", "451 4.7.1 later", "later", "4.7.1"),
        ("MAIL", "535 5.7.8 wrong credentials", "alarm", "5.7.8"),
        *(("RCPT", f"{code} no", action, code) for code, action in SMTP.items() if code.isdigit()),
    ],
)
def test_what_a_refusal_means(server: FakeMailServer, when: str, answer: str, policy: str, code: str) -> None:
    server.answers = {when: answer}
    assert refusal(server) == (policy, code)
    assert server.taken == []


@pytest.mark.parametrize(
    ("when", "policy"), [("MAIL", "later"), ("RCPT", "later"), ("DATA", "later"), ("END", "unknown")]
)
def test_a_line_lost_before_the_mail_was_given_is_nothing_and_afterwards_it_may_have_arrived(
    server: FakeMailServer, when: str, policy: str
) -> None:
    server.loses = when
    assert refusal(server)[0] == policy
    assert len(server.taken) == (when == "END")


def test_a_server_that_is_not_there_is_tried_later() -> None:
    with pytest.raises(SendFailed) as failed:
        Smtp("smtp://127.0.0.1:1", ADDRESSES).send(outbound())
    assert failed.value.policy == "later"


def test_a_server_that_speaks_without_end_is_hung_up_on(
    server: FakeMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email, "SEND_SECONDS", CONNECT_SECONDS + 0.3)
    server.drips = True
    assert refusal(server)[0] == "later"


def test_mail_goes_encrypted_and_logged_in_to_who_proves_to_be_that_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certified(tmp_path)
    with FakeMailServer(tls=tls) as server:
        assert refusal(server) == ("alarm", "certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        Smtp(server.url, ADDRESSES).send(outbound())
        assert [taken.encrypted for taken in server.taken] == [True]
        with pytest.raises(SendFailed) as failed:
            Smtp(server.url.replace("pass%20word", "guessed"), ADDRESSES).send(outbound())
        assert (failed.value.policy, failed.value.code) == ("alarm", "535")
    assert len(server.taken) == 1


def certified(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own for localhost, which lies in `certificate.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
