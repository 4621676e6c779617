"""The doors for texts. They answer with nothing: what we say goes out through the outbox, as texts of our own."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from bot.channels.africastalking import AfricasTalking
from bot.channels.twilio import Twilio
from bot.messages import Inbound, Receipt, Reply
from circulation.msisdn import Msisdn
from webhooks import plain, provider_blueprint

SIGNATURE = "X-Twilio-Signature"


def blueprint(
    twilio: Twilio,
    africastalking: AfricasTalking,
    take_turn: Callable[[Inbound], Reply],
    record_receipt: Callable[[Receipt], None],
    record_opt_out: Callable[[Msisdn, str], None],
) -> Blueprint:
    """The SMS doors of both providers. An `Unavailable` from any function becomes a 503, so that it is sent again.

    `record_opt_out(phone, provider)`: the provider took the phone off our list.
    """
    doors = provider_blueprint("sms")

    @doors.post("/sms/twilio")
    def text_from_twilio() -> Response:
        inbound = twilio.receive(path_and_query(), request.form, request.headers.get(SIGNATURE))
        if inbound is not None:
            take_turn(inbound)
        return Response("<Response/>", mimetype="text/xml")

    @doors.post("/sms/twilio/status")
    def status_from_twilio() -> Response:
        receipt = twilio.receipt(path_and_query(), request.form, request.headers.get(SIGNATURE))
        if receipt is not None:
            record_receipt(receipt)
        return plain("")

    _africastalking_doors(doors, africastalking, take_turn, record_receipt, record_opt_out)
    return doors


def _africastalking_doors(
    doors: Blueprint,
    africastalking: AfricasTalking,
    take_turn: Callable[[Inbound], Reply],
    record_receipt: Callable[[Receipt], None],
    record_opt_out: Callable[[Msisdn, str], None],
) -> None:
    @doors.post("/sms/africastalking/<secret>")
    def text_from_africastalking(secret: str) -> Response:
        inbound = africastalking.sms(secret, request.form)
        if inbound is not None:
            take_turn(inbound)
        return plain("")

    @doors.post("/sms/africastalking/<secret>/delivery")
    def delivery_from_africastalking(secret: str) -> Response:
        receipt = africastalking.delivery(secret, request.form)
        if receipt is not None:
            record_receipt(receipt)
        return plain("")

    @doors.post("/sms/africastalking/<secret>/opt-out")
    def opt_out_from_africastalking(secret: str) -> Response:
        msisdn = africastalking.opted_out(secret, request.form)
        if msisdn is not None:
            record_opt_out(msisdn, africastalking.name)
        return plain("")


def path_and_query() -> str:
    """What was called, as it came: Twilio signed these very characters."""
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path
