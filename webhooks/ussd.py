"""The doors for USSD dialogs: one hop in, one screen out."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request

from bot.channels.africastalking import AfricasTalking, render
from bot.messages import Inbound, Reply, Unavailable
from webhooks import plain, provider_blueprint

log = structlog.get_logger(__name__)


def blueprint(africastalking: AfricasTalking, take_turn: Callable[[Inbound], Reply]) -> Blueprint:
    """The USSD doors of Africa's Talking."""
    doors = provider_blueprint("ussd")

    @doors.post("/ussd/africastalking/<secret>")
    def hop(secret: str) -> Response:
        inbound = africastalking.ussd(secret, request.form)
        try:
            reply = take_turn(inbound)
        except Unavailable as unavailable:
            # 200 all the same: nobody repeats a hop, and after any other status the network shows its own error page.
            # Only this way does the person read that nothing was charged.
            reply = Reply(unavailable.sentence)
        return plain(render(reply))

    @doors.post("/ussd/africastalking/<secret>/end")
    def end(secret: str) -> Response:
        ended = africastalking.ended(secret, request.form)
        log.info("ussd session ended", msisdn=str(ended.msisdn), status=ended.status)
        return plain("")

    return doors
