"""Mail that comes back: read from a Maildir, where the mail server files what is sent to the return addresses of our mails.

A mail that did not arrive becomes a receipt of its outbox row, and what follows from that is decided as for texts. Delays,
replies of machines and whatever else lands there change nothing. Nothing in a returned mail is believed that does not bear a
name made with our key; it is searched as text, never unpacked. Sources: RFC 3464 (reports), RFC 3834 (replies of machines).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from bot.channels.email import NAME
from bot.channels.mail_addresses import MailAddresses
from bot.messages import Receipt
from circulation import emailed
from payments import callbacks
from storage import outbox
from storage.database import Database

LONGEST = 256 * 1024
"""Bytes of a mail that are looked at: what matters stands in front of the mail of ours that is returned with it."""
BATCH = 100
_WORDS = 8_192
"""Characters of a plain bounce in which its reason is looked for."""

_UNFOLD = re.compile(r"\n[ \t]+")
_SENT_TO = re.compile(r"^(?:Delivered-To|X-Original-To|Envelope-To|To|Cc):.*$", re.IGNORECASE | re.MULTILINE)
_IS_REPORT = re.compile(r"^Content-Type:[^\n]*multipart/report", re.IGNORECASE | re.MULTILINE)
_IS_DAEMON = re.compile(r"^From:[^\n]*\b(?:mailer-daemon|postmaster)\b", re.IGNORECASE | re.MULTILINE)
_REPORT = re.compile(r"^Content-Type:[ \t]*message/delivery-status\b", re.IGNORECASE | re.MULTILINE)
_PART_ENDS = re.compile(r"^--", re.MULTILINE)
_ACTION = re.compile(r"^Action:[ \t]*([a-z]+)", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(r"^Status:[ \t]*([245]\.[0-9]{1,3}\.[0-9]{1,3})\b", re.IGNORECASE | re.MULTILINE)
_FINAL = re.compile(r"(?<![\d.])5\.[0-9]{1,3}\.[0-9]{1,3}(?!\.?\d)")
_FINAL_REPLY = re.compile(r"(?<![\d.])55[0-4](?!\.?\d)")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a mail in the Maildir says of one of ours. `code` is a status of RFC 3463, or a reply of RFC 5321."""

    outbox_id: int
    what: Literal["undelivered", "delivered", "delayed", "no more"]
    code: str = ""


class Bounces:
    """The Maildir of one deployment; several workers may look at once, and a mail read twice changes nothing more."""

    def __init__(self, database: Database, addresses: MailAddresses, folder: Path) -> None:
        self._database = database
        self._addresses = addresses
        self._folder = folder

    def __call__(self) -> int:
        """Take in hand what has come. Returns how many mails that were."""
        new = self._folder / "new"
        if not new.is_dir():
            return 0
        waiting = sorted(path for path in new.iterdir() if path.is_file() and not path.is_symlink())[:BATCH]
        return sum(self._take(path) for path in waiting)

    def _take(self, path: Path) -> bool:
        """Whether this worker dealt with it."""
        try:
            with path.open("rb") as file:
                returned = read(file.read(LONGEST), self._addresses)
            if returned is not None:
                self._note(returned)
            self._put_away(path)
        except FileNotFoundError:
            return False  # another worker was quicker
        except OSError as error:
            with self._database.begin() as db:
                callbacks.incident(db, "returned mail cannot be read", path.name, {"fault": type(error).__name__})
            return False
        return True

    def _note(self, returned: Returned) -> None:
        log.info("mail.returned", outbox_id=returned.outbox_id, what=returned.what, code=returned.code)
        if returned.what == "delayed":
            return
        with self._database.begin() as db:
            if returned.what == "no more":
                emailed.no_more_from(db, returned.outbox_id)
            else:
                name = self._addresses.message_id(returned.outbox_id)
                outbox.record_receipt(db, Receipt(NAME, name, returned.outbox_id, returned.what, returned.code))

    def _put_away(self, path: Path) -> None:
        seen = self._folder / "cur"
        seen.mkdir(exist_ok=True)
        path.rename(seen / f"{path.name.partition(':')[0]}:2,S")


def read(mail: bytes, addresses: MailAddresses) -> Returned | None:
    """What a mail says of one of ours; None when it says nothing, or nothing that can be believed. Never raises."""
    head, _, body = mail.decode("latin-1").replace("\r\n", "\n").partition("\n\n")
    head = _UNFOLD.sub(" ", head)
    is_report, is_daemon = _IS_REPORT.search(head), _IS_DAEMON.search(head)
    if not (is_report or is_daemon):
        # a person who wants no more, or a machine that says that somebody is away
        wants_none = addresses.read("u", "\n".join(_SENT_TO.findall(head)))
        return Returned(wants_none, "no more") if wants_none else None
    outbox_id = addresses.read("b", head) or addresses.read("b", body)
    if outbox_id is None:
        return None
    return _report(outbox_id, body) if is_report else _in_words(outbox_id, body)


def _report(outbox_id: int, body: str) -> Returned | None:
    part = _REPORT.search(body)
    if part is None:
        return None
    ends = _PART_ENDS.search(body, part.end())
    fields = body[part.end() : ends.start() if ends else len(body)]
    action, status = _ACTION.search(fields), _STATUS.search(fields)
    code = status[1] if status else ""
    match action[1].lower() if action else "":
        case "failed":
            return Returned(outbox_id, "undelivered", code or "5.0.0")
        case "delivered":
            return Returned(outbox_id, "delivered")
        case "delayed":
            return Returned(outbox_id, "delayed", code)
    return None


def _in_words(outbox_id: int, body: str) -> Returned:
    """A bounce that is no report: what its words say is final has a code that begins with 5."""
    words = body[:_WORDS]
    reason = _FINAL.search(words) or _FINAL_REPLY.search(words)
    return Returned(outbox_id, "undelivered", reason[0]) if reason else Returned(outbox_id, "delayed")
