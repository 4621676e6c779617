"""Mail that comes back: what is believed of it, and what becomes of the mail it was about."""

from pathlib import Path

import pytest

from bot.bounces import LONGEST, Bounces, Returned, read
from bot.channels.mail_addresses import MailAddresses
from bot.config import Settings
from circulation.email_address import Email
from storage.roles import Role
from tests.mailbox import by_mail
from tests.people import People

ADDRESSES = MailAddresses("gifts@giftline.example", b"k" * 32)
OTHERS = MailAddresses("gifts@giftline.example", b"another key")
US = ADDRESSES.bounces(42)


def report(action: str = "failed", status: str = "5.1.1", to: str = US, returned: str = "") -> str:
    """A report as Postfix writes it."""
    return f"""Return-Path: <>
Delivered-To: {to}
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="A/mx.example.org"

This is a MIME-encapsulated message.

--A/mx.example.org
Content-Description: Notification

I'm sorry to have to inform you that your message could not be delivered. 599 5.9.9

--A/mx.example.org
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; carol@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <carol@example.org>: no such user

--A/mx.example.org
Content-Type: message/rfc822

{returned}
Action: failed
Status: 5.6.6

--A/mx.example.org--
"""


QMAIL = f"""Return-Path: <>
From: MAILER-DAEMON@mx.example.org
To: {US}
Subject: failure notice

Hi. This is the qmail-send program at mx.example.org.

<carol@example.org>:
192.0.2.10 does not like recipient.
Remote host said: 550 5.1.1 no mailbox here by that name
"""
AWAY = f"""Return-Path: <>
From: Carol <carol@example.org>
To: {US}
Auto-Submitted: auto-replied
In-Reply-To: {ADDRESSES.message_id(42)}
Subject: Out of office

I am away until 550 5.1.1. Action: failed
"""
NAMED_WITHIN = report(to="gifts@giftline.example", returned=f"Message-ID: {ADDRESSES.message_id(42)}")
"""Returned to another address: the name of our mail is only in what came back."""


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (report(), Returned(42, "undelivered", "5.1.1")),
        (report().replace("\n", "\r\n"), Returned(42, "undelivered", "5.1.1")),
        (report(status="4.4.7"), Returned(42, "undelivered", "4.4.7")),
        (report(status="none"), Returned(42, "undelivered", "5.0.0")),
        (report("delayed", "4.4.1"), Returned(42, "delayed", "4.4.1")),
        (report("delivered", "2.0.0"), Returned(42, "delivered")),
        (report("relayed", "2.0.0"), None),
        (report(to=US.upper()), Returned(42, "undelivered", "5.1.1")),
        (QMAIL, Returned(42, "undelivered", "5.1.1")),
        (QMAIL.replace("550 5.1.1 no mailbox", "552 no room"), Returned(42, "undelivered", "552")),
        (QMAIL.replace("550 5.1.1 no mailbox", "450 4.2.2 no room"), Returned(42, "delayed")),
        (NAMED_WITHIN, Returned(42, "undelivered", "5.1.1")),
        (report(to="gifts@giftline.example"), None),
        (AWAY, None),
        (AWAY.replace("carol@example.org", "postmaster@example.org"), Returned(42, "undelivered", "5.1.1")),
        (f"From: carol@example.org\nTo: {ADDRESSES.unsubscribes(42)}\n\n", Returned(42, "no more")),
        (f"From: carol@example.org\nTo: gifts@giftline.example\n\n{ADDRESSES.unsubscribes(42)}", None),
        (f"From: carol@example.org\nTo: {OTHERS.unsubscribes(42)}\n\n", None),
        (report(to=OTHERS.bounces(42)), None),
        (report(to=US.replace("b42.", "b43.")), None),
        (report(to=US.replace("+b42", "+u42")), None),
        ("", None),
        ("no mail at all", None),
        ("\x00" * 1000, None),
    ],
)  # fmt: skip
def test_what_a_mail_says_of_ours(mail: str, expected: Returned | None) -> None:
    assert read(mail.encode("latin-1"), ADDRESSES) == expected


def test_a_mail_made_to_exhaust_its_reader_is_read_like_any_other() -> None:
    head = f"From: mailer-daemon@example.org\nTo: {US}\n"
    for filler in (
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n" * 5_000,
        "X: " + "(" * 250_000 + "\n\n",
        "\n" + "Content-Type: message/rfc822\n\n" * 8_000,
        "X:\n" + " folded\n" * 30_000 + "\n",
        "\n" + f"<b42.{'a' * 16}@giftline.example>" * 6_000,
        "\nUEsDBBQAAAAIA" * 20_000,
    ):
        read((head + filler)[:LONGEST].encode(), ADDRESSES)


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    return plain_settings.model_copy(update=by_mail("smtp://127.0.0.1:1"))


def test_a_returned_mail_marks_its_row_and_is_put_away(people: People, tmp_path: Path) -> None:
    giver = people.member()
    people.gift(giver, people.certificate(giver), Email("carol@example.org"))
    people.gift(giver, people.certificate(giver), Email("dan@example.org"))
    first, second = people.rows("SELECT id FROM outbox WHERE form = 'email' ORDER BY id")
    for row in (first, second):
        name = ADDRESSES.message_id(row.id)
        people.run("UPDATE outbox SET state = 'sent', provider_id = :name WHERE id = :id", id=row.id, name=name)
    new = tmp_path / "new"
    new.mkdir()
    (new / "1:2,").write_text(report(to=ADDRESSES.bounces(first.id)))
    (new / "2").write_text(f"To: {ADDRESSES.unsubscribes(second.id)}\n\n")
    (new / "3").write_bytes(b"\xff" * (2 * LONGEST))
    (new / "4").write_text(report(to=OTHERS.bounces(second.id)))
    (new / "5").symlink_to("/etc/passwd")
    database = people.database.as_role(Role.WORKER)
    bounces = Bounces(database, ADDRESSES, tmp_path)
    assert (bounces(), bounces()) == (4, 0)
    database.close()
    states = people.rows("SELECT state, error_code FROM outbox WHERE form = 'email' ORDER BY id")
    assert [tuple(row) for row in states] == [("undelivered", "5.1.1"), ("sent", "")]
    wishes = people.rows("SELECT address, sender, purpose FROM opt_out")
    assert [tuple(row) for row in wishes] == [("dan@example.org", "smtp", "gift")]
    assert sorted(path.name for path in (tmp_path / "cur").iterdir()) == ["1:2,S", "2:2,S", "3:2,S", "4:2,S"]


def test_without_a_folder_there_is_nothing_to_read(people: People, tmp_path: Path) -> None:
    assert Bounces(people.database, ADDRESSES, tmp_path / "nowhere")() == 0
