"""The page with the phones, and the small API by which it plays them.

New texts reach the page by cheap short polls, not by long ones: a poll is one Redis round trip and holds a thread for
about a millisecond, whereas every long poll or event stream would hold one of the 16 web threads for as long as a tab
stays open, and those same threads must answer the webhooks that the phones call. Half a second is at once for a text.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

import phonenumbers
import redis
from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import BadRequest, HTTPException

from bot.config import Settings
from circulation.msisdn import Msisdn
from phones.airwaves import Airwaves
from phones.handset import Carrier, Handset, Network, NetworkFault, NoDialog, Screen

LONGEST_REQUEST = 16_384  # bytes
LONGEST_TEXT = 1600
LONGEST_ANSWER = 160
PHONES_ON_A_PAGE = 8
CONTENT_SECURITY_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

NO_SERVICE = "Connection problem or invalid MMI code."
"""What phones themselves say when a code leads nowhere or the application behind it fails."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as the page first shows it. `msisdn` is E.164; `carrier` carries its texts (USSD is the same for all)."""

    label: str
    msisdn: str
    carrier: Carrier = "twilio"
    role: Literal["customer", "till"] = "customer"


Number = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
TextId = Annotated[str, Field(pattern=r"^[0-9]{1,19}(-[0-9]{1,19})?$")]


class _Caller(BaseModel):
    model_config = ConfigDict(extra="forbid")
    msisdn: Number


class _Dialled(_Caller):
    code: str = Field(min_length=1, max_length=40)


class _Answer(_Caller):
    text: str = Field(min_length=1, max_length=LONGEST_ANSWER)


class _Written(_Caller):
    carrier: Carrier
    body: str = Field(min_length=1, max_length=LONGEST_TEXT)


class _Numbered(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: str = Field(max_length=40)


class _Listening(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: dict[Number, TextId] = Field(max_length=PHONES_ON_A_PAGE)


_Request = TypeVar("_Request", bound=BaseModel)


def blueprint(settings: Settings, airwaves: Airwaves, network: Network, cast: Sequence[Phone]) -> Blueprint:
    """GET /phones, and POST /phones/api/{dial,answer,hang-up,text,number,texts}: JSON in, JSON out, 400 with a reason.

    The page's "first thing to try" needs a giver, a recipient and a till: raises ValueError when `cast` lacks one.
    """
    customers = [phone for phone in cast if phone.role == "customer"]
    tills = [phone for phone in cast if phone.role == "till"]
    if len(customers) < 2 or not tills:
        raise ValueError("the page needs two customers and a till")
    giver, recipient, till = customers[0], customers[1], tills[0]
    phones = Blueprint(
        "phones", __name__, url_prefix="/phones", template_folder="templates", static_folder="static"
    )

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
        )

    @phones.post("/api/dial")
    def dial() -> ResponseReturnValue:
        dialled = _read(_Dialled)
        if dialled.code != settings.service_code:
            return jsonify(text=NO_SERVICE, more=False)
        return _ussd(dialled.msisdn, Handset.dial)

    @phones.post("/api/answer")
    def answer() -> ResponseReturnValue:
        given = _read(_Answer)
        return _ussd(given.msisdn, lambda handset: handset.answer(given.text))

    @phones.post("/api/hang-up")
    def hang_up() -> ResponseReturnValue:
        caller = _read(_Caller)
        network.handset(caller.msisdn, dialog=airwaves.dialog(caller.msisdn)).hang_up()
        airwaves.remember(caller.msisdn, None)
        return jsonify({})

    @phones.post("/api/text")
    def text() -> ResponseReturnValue:
        written = _read(_Written)
        try:
            network.handset(written.msisdn, written.carrier).text(written.body)
        except NetworkFault as fault:
            return jsonify(fault=str(fault))
        return jsonify({})

    @phones.post("/api/number")
    def number() -> ResponseReturnValue:
        return jsonify(msisdn=_msisdn(_read(_Numbered).number, settings.country))

    @phones.post("/api/texts")
    def texts() -> ResponseReturnValue:
        return jsonify(texts=[asdict(text) for text in airwaves.texts(_read(_Listening).after)])

    def _ussd(msisdn: str, turn: Callable[[Handset], Screen]) -> ResponseReturnValue:
        handset = network.handset(msisdn, dialog=airwaves.dialog(msisdn))
        shown: dict[str, Any]
        try:
            shown = asdict(turn(handset))
        except NoDialog:
            shown = {"text": "The session timed out. Dial again.", "more": False}
        except NetworkFault as fault:
            handset.hang_up()  # as a network does: an application that fails ends the session
            shown = {"text": NO_SERVICE, "more": False, "fault": str(fault)}
        airwaves.remember(msisdn, handset.dialog)
        return jsonify(shown)

    @phones.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        return jsonify(error=error.description), error.code or 400

    @phones.errorhandler(redis.RedisError)
    def out_of_service(_error: redis.RedisError) -> ResponseReturnValue:
        return jsonify(error="Redis does not answer, so the phones have no network."), 503

    @phones.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Cache-Control"] = "no-store" if response.is_json else "no-cache"
        return response

    return phones


def _read(model: type[_Request]) -> _Request:
    """The request's JSON, checked. Only JSON is read: a form posted by another site's page never gets this far."""
    request.max_content_length = LONGEST_REQUEST
    if not request.is_json:
        raise BadRequest("Send JSON.")
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise BadRequest(f"{where}: {first['msg']}") from None


def _msisdn(typed: str, country: str) -> str:
    """A phone number as people type it, in E.164. Of any country: such phones exist too. Raises BadRequest."""
    try:
        number = phonenumbers.parse(re.sub(r"^\s*00", "+", typed), country)
    except phonenumbers.NumberParseException:
        raise BadRequest("That is not a phone number.") from None
    if not phonenumbers.is_possible_number(number):
        raise BadRequest("That is not a phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
