"""The page with the phones. It needs nothing from outside, and no script or style that its own policy would refuse."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.config import Settings
from circulation.msisdn import Msisdn
from phones.api import LONGEST_ANSWER, LONGEST_TEXT
from phones.handset import Carrier

TRANSFER = ("amount", "reference", "phone")
"""What the bank's page can be opened with."""

CONTENT_SECURITY_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as the page first shows it. `msisdn` is E.164; `carrier` carries its texts (USSD is the same for all)."""

    label: str
    msisdn: str
    carrier: Carrier = "twilio"
    role: Literal["customer", "till"] = "customer"


def blueprint(settings: Settings, cast: Sequence[Phone], bank: str = "", *, has_mail: bool = False) -> Blueprint:
    """GET /phones, and GET /phones/bank which leads to the page for transfers at `bank` (empty: there is none).

    `has_mail`: mails end on this machine, and can be read here.
    The page's "first thing to try" needs a giver, a recipient and a till: raises ValueError when `cast` lacks one.
    """
    customers = [phone for phone in cast if phone.role == "customer"]
    tills = [phone for phone in cast if phone.role == "till"]
    if len(customers) < 2 or not tills:
        raise ValueError("the page needs two customers and a till")
    giver, recipient, till = customers[0], customers[1], tills[0]
    phones = Blueprint("phones", __name__, url_prefix="/phones", template_folder="templates", static_folder="static")

    @phones.get("", strict_slashes=False)
    def page() -> str:
        return render_template(
            "phones/phones.html",
            cast=cast,
            code=settings.service_code,
            giver=giver,
            recipient=recipient,
            recipient_as_typed=Msisdn(recipient.msisdn).national(settings.country),
            till=till,
            limits={"text": LONGEST_TEXT, "answer": LONGEST_ANSWER},
            has_bank=bool(bank),
            has_mail=has_mail,
            service_number=settings.twilio_from.removeprefix("+") if settings.voice else "",
        )

    @phones.get("/bank")
    def transfer() -> AnyResponse:
        if not bank:
            abort(404)
        filled = {name: request.args[name] for name in TRANSFER if name in request.args}
        return redirect(f"{bank}?{urlencode(filled)}")

    phones.after_request(_guard)
    return phones


def _guard(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers["Cache-Control"] = "no-store" if response.is_json else "no-cache"
    return response
