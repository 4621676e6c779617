"""The doors for telephone calls: what was heard in, what is said next out."""

from collections.abc import Callable
from typing import Protocol

from flask import Blueprint, Response, request

from bot.channels.twilio_voice import TwilioVoice
from bot.messages import Heard, Hung, Receipt, Spoken
from webhooks import plain, provider_blueprint
from webhooks.sms import SIGNATURE, path_and_query


class Calls(Protocol):
    """Who answers the calls."""

    def hear(self, heard: Heard) -> Spoken: ...
    def ended(self, hung: Hung) -> Receipt | None: ...


def blueprint(
    twilio: TwilioVoice,
    calls: Calls | None,
    record_receipt: Callable[[Receipt], None],
) -> Blueprint:
    """The doors of Twilio's calls. Without `calls` nobody takes them, and they are rejected."""
    doors = provider_blueprint("voice")

    @doors.post("/voice/twilio")
    @doors.post("/voice/twilio/turn")
    def turn() -> Response:
        heard = twilio.hear(path_and_query(), request.form, request.headers.get(SIGNATURE))
        return _twiml(twilio.render(calls.hear(heard)) if calls else twilio.reject())

    @doors.post("/voice/twilio/called")
    def called() -> Response:
        heard = twilio.hear(path_and_query(), request.form, request.headers.get(SIGNATURE))
        if heard.machine or calls is None:
            return _twiml(twilio.render(Spoken("", "", "over")))  # no word of value is left on a machine
        return _twiml(twilio.render(calls.hear(heard)))

    @doors.post("/voice/twilio/status")
    def status() -> Response:
        hung = twilio.hung(path_and_query(), request.form, request.headers.get(SIGNATURE))
        receipt = calls.ended(hung) if hung is not None and calls is not None else None
        if receipt is not None:
            record_receipt(receipt)
        return plain("")

    return doors


def _twiml(document: str) -> Response:
    return Response(document, mimetype="text/xml")
