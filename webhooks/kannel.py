"""The doors for the operator's own Kannel, which calls by GET. They answer with nothing: an answer with words would be sent
to the phone by Kannel, past the outbox."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request

from bot.channels import Malformed
from bot.channels.kannel import Kannel
from bot.messages import Inbound, Receipt, Reply, Unavailable
from webhooks import plain, provider_blueprint

log = structlog.get_logger(__name__)


def blueprint(
    kannel: Kannel, take_turn: Callable[[Inbound], Reply], record_receipt: Callable[[Receipt], None]
) -> Blueprint:
    """The doors of Kannel. An `Unavailable` from either function becomes a 503, after which Kannel calls again."""
    doors = provider_blueprint("kannel")
    doors.register_error_handler(Unavailable, _again_later)
    doors.register_error_handler(Malformed, _unusable)

    @doors.get("/sms/kannel/<secret>")
    def text_from_kannel(secret: str) -> Response:
        inbound = kannel.receive(secret, request.query_string)
        if inbound is not None:
            take_turn(inbound)
        return plain("")

    @doors.get("/sms/kannel/<secret>/delivery")
    def delivery_from_kannel(secret: str) -> Response:
        receipt = kannel.delivery(secret, request.query_string)
        if receipt is not None:
            record_receipt(receipt)
        return plain("")

    return doors


def _again_later(_: Exception) -> Response:
    return plain("", 503)


def _unusable(error: Exception) -> Response:
    """Kannel would call again for anything but 200, and text the reason to the phone."""
    log.warning("unusable request", door=request.endpoint, reason=str(error))
    return plain("")
