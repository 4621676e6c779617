"""The mails that the product sent, as their readers see them: a list, and each mail's own HTML in a frame that may do nothing.

A mail's words were written by others. Its frame has no scripts, no forms and no address of its own; what is a link in it
opens in a tab.
"""

from base64 import b64encode
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from flask import Blueprint, Response, abort, render_template

from phones.airwaves import Airwaves

FRAMED = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""The policy of a mail's own HTML."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of the list. `files` are (place, name) of what is attached and not shown in it."""

    id: str
    to: str
    subject: str
    date: str
    files: list[tuple[int, str]]


def blueprint(airwaves: Airwaves) -> Blueprint:
    """GET mail, mail/<id> (its HTML) and mail/<id>/<place> (a part of it), under /phones."""
    doors = Blueprint("mailbox", __name__, url_prefix="/mail")

    @doors.get("")
    def mails() -> str:
        return render_template("phones/mail.html", mails=[_listed(id_, _read(mail)) for id_, mail in airwaves.mails()])

    @doors.get("/<id_>")
    def mail(id_: str) -> Response:
        answer = Response(_shown(_found(airwaves, id_)), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = FRAMED
        return answer

    @doors.get("/<id_>/<int:place>")
    def part(id_: str, place: int) -> Response:
        parts = list(_found(airwaves, id_).walk())
        if not 0 < place < len(parts) or parts[place].get_content_maintype() not in ("image", "audio"):
            abort(404)
        answer = Response(_body(parts[place]), mimetype=parts[place].get_content_type())
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return doors


def _found(airwaves: Airwaves, id_: str) -> EmailMessage:
    mail = dict(airwaves.mails()).get(id_)
    if mail is None:
        abort(404)
    return _read(mail)


def _read(mail: bytes) -> EmailMessage:
    return message_from_bytes(mail, _class=EmailMessage, policy=default)


def _listed(id_: str, mail: EmailMessage) -> Mail:
    files = [
        (place, part.get_filename() or f"file {place}")
        for place, part in enumerate(mail.walk())
        if part.get_content_disposition() == "attachment"
    ]
    return Mail(id_, str(mail["To"] or ""), str(mail["Subject"] or ""), str(mail["Date"] or ""), files)


def _shown(mail: EmailMessage) -> str:
    """The mail's HTML, its pictures put into it and its links opening in a tab."""
    body = mail.get_body(("html",))
    html = str(body.get_content()) if body is not None else ""
    for part in mail.walk():
        cid = str(part.get("Content-ID", "")).strip("<>")
        if cid and part.get_content_maintype() == "image":
            html = html.replace(
                f"cid:{cid}", f"data:{part.get_content_type()};base64,{b64encode(_body(part)).decode()}"
            )
    return html.replace("<a ", '<a target="_blank" rel="noopener" ')


def _body(part: EmailMessage) -> bytes:
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""
