"""What the page asks of the network: dial, answer, hang up, call, text, listen. JSON in, JSON out, 400 with a reason.

New texts, calls and questions reach the page by cheap short polls, not by long ones: a poll is one round trip to Redis and one to
the providers that are played here, and holds a thread for some milliseconds, whereas every long poll or event stream would
hold one of the 16 web threads for as long as a tab stays open, and those same threads must answer the webhooks that the
phones call. Half a second is at once for a text.
"""

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import phonenumbers
import redis
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import BadRequest, HTTPException

from bot.config import Settings
from phones.airwaves import Airwaves
from phones.calling import Calls, OnPhone
from phones.handset import Carrier, Handset, Network, NetworkFault, NoDialog, Screen
from phones.questions import Answer, Questions

LONGEST_REQUEST = 16_384  # bytes
LONGEST_TEXT = 1600
LONGEST_ANSWER = 160
PHONES_ON_A_PAGE = 8

NO_SERVICE = "Connection problem or invalid MMI code."
"""What phones themselves say when a code leads nowhere or the application behind it fails."""

Number = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
TextId = Annotated[str, Field(pattern=r"^[0-9]{1,19}(-[0-9]{1,19})?$")]


class _Caller(BaseModel):
    model_config = ConfigDict(extra="forbid")
    msisdn: Number


class _Dialled(_Caller):
    code: str = Field(min_length=1, max_length=40)


class _Answer(_Caller):
    text: str = Field(min_length=1, max_length=LONGEST_ANSWER)


class _Pressed(_Caller):
    keys: str = Field(pattern=r"^[0-9*#]{0,64}$")


class _Written(_Caller):
    carrier: Carrier
    body: str = Field(min_length=1, max_length=LONGEST_TEXT)


class _Numbered(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: str = Field(max_length=40)


class _Answered(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")
    answer: Answer


class _Listening(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: dict[Number, TextId] = Field(max_length=PHONES_ON_A_PAGE)


_Request = TypeVar("_Request", bound=BaseModel)


class Api:
    """The network as the page sees it. Every method reads the request's JSON and answers it."""

    def __init__(
        self, settings: Settings, airwaves: Airwaves, network: Network, calls: Calls, questions: Questions
    ) -> None:
        self._settings = settings
        self._airwaves = airwaves
        self._network = network
        self._calls = calls
        self._questions = questions

    def dial(self) -> ResponseReturnValue:
        """{msisdn, code} -> {text, more}, with {fault} when the product failed."""
        dialled = _read(_Dialled)
        if dialled.code != self._settings.service_code:
            return jsonify(text=NO_SERVICE, more=False)
        return self._ussd(dialled.msisdn, Handset.dial)

    def answer(self) -> ResponseReturnValue:
        """{msisdn, text} -> {text, more}, with {fault} when the product failed."""
        given = _read(_Answer)
        return self._ussd(given.msisdn, lambda handset: handset.answer(given.text))

    def hang_up(self) -> ResponseReturnValue:
        """{msisdn} -> {}."""
        caller = _read(_Caller)
        self._network.handset(caller.msisdn, dialog=self._airwaves.dialog(caller.msisdn)).hang_up()
        self._airwaves.remember(caller.msisdn, None)
        return jsonify({})

    def call(self) -> ResponseReturnValue:
        """{msisdn} -> {call}: the product is called. A call is {sid, msisdn, stage, text, one_key, fault}."""
        return jsonify(call=asdict(self._calls.dial(_read(_Caller).msisdn)))

    def pick_up(self) -> ResponseReturnValue:
        """{msisdn} -> {call}, null when it rings no longer."""
        caller = _read(_Caller)
        return self._call(lambda: self._calls.pick_up(caller.msisdn))

    def press(self) -> ResponseReturnValue:
        """{msisdn, keys} -> {call}, null when there is none. Without keys nothing is pressed until the time is over."""
        pressed = _read(_Pressed)
        return self._call(lambda: self._calls.press(pressed.msisdn, pressed.keys))

    def put_down(self) -> ResponseReturnValue:
        """{msisdn} -> {}."""
        self._calls.put_down(_read(_Caller).msisdn)
        return jsonify({})

    def text(self) -> ResponseReturnValue:
        """{msisdn, carrier, body} -> {}, or {fault} when the product failed."""
        written = _read(_Written)
        try:
            self._network.handset(written.msisdn, written.carrier).text(written.body)
        except NetworkFault as fault:
            return jsonify(fault=str(fault))
        return jsonify({})

    def number(self) -> ResponseReturnValue:
        """{number} as people type it -> {msisdn}."""
        return jsonify(msisdn=_msisdn(_read(_Numbered).number, self._settings.country))

    def texts(self) -> ResponseReturnValue:
        """{after: {msisdn: id of the last text seen, or "0"}} -> {texts, calls, questions}, each oldest first."""
        after = _read(_Listening).after
        return jsonify(
            texts=[asdict(text) for text in self._airwaves.texts(after)],
            calls=[asdict(call) for call in self._calls.on(after)],
            questions=[asdict(question) for question in self._questions.waiting(after)],
        )

    def question(self) -> ResponseReturnValue:
        """{question: its id, answer} -> {}, also when it no longer waits; {fault} when the provider failed."""
        answered = _read(_Answered)
        try:
            self._questions.answer(answered.question, answered.answer)
        except NetworkFault as fault:
            return jsonify(fault=str(fault))
        return jsonify({})

    def _call(self, turn: Callable[[], OnPhone]) -> ResponseReturnValue:
        try:
            return jsonify(call=asdict(turn()))
        except NoDialog:
            return jsonify(call=None)

    def _ussd(self, msisdn: str, turn: Callable[[Handset], Screen]) -> ResponseReturnValue:
        handset = self._network.handset(msisdn, dialog=self._airwaves.dialog(msisdn))
        shown: dict[str, Any]
        try:
            shown = asdict(turn(handset))
        except NoDialog:
            shown = {"text": "The session timed out. Dial again.", "more": False}
        except NetworkFault as fault:
            handset.hang_up()  # as a network does: an application that fails ends the session
            shown = {"text": NO_SERVICE, "more": False, "fault": str(fault)}
        self._airwaves.remember(msisdn, handset.dialog)
        return jsonify(shown)


def blueprint(
    settings: Settings, airwaves: Airwaves, network: Network, calls: Calls, questions: Questions
) -> Blueprint:
    """POST api/{dial,answer,hang-up,call,pick-up,press,put-down,text,number,texts,question}, under /phones."""
    api, phones = Api(settings, airwaves, network, calls, questions), Blueprint("api", __name__, url_prefix="/api")
    dialogs, conversations = (api.dial, api.answer, api.hang_up), (api.call, api.pick_up, api.press, api.put_down)
    for verb in (*dialogs, *conversations, api.text, api.number, api.texts, api.question):
        name = verb.__name__.replace("_", "-")
        phones.add_url_rule(f"/{name}", name, verb, methods=["POST"])
    phones.register_error_handler(HTTPException, _refused)
    phones.register_error_handler(redis.RedisError, _out_of_service)
    return phones


def _refused(error: HTTPException) -> ResponseReturnValue:
    return jsonify(error=error.description), error.code or 400


def _out_of_service(_error: redis.RedisError) -> ResponseReturnValue:
    return jsonify(error="Redis does not answer, so the phones have no network."), 503


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
