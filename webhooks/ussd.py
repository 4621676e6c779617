"""The doors for USSD dialogs: one hop in, one screen out."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request

from bot.channels.africastalking import AfricasTalking, render
from bot.messages import Inbound, Reply, Unavailable
from circulation.msisdn import Msisdn
from webhooks import plain, provider_blueprint

log = structlog.get_logger(__name__)


CUT = frozenset({"Incomplete", "Failed"})
"""What the network calls a session that we did not end (Africa's Talking, USSD, end of session)."""


def blueprint(
    africastalking: AfricasTalking, take_turn: Callable[[Inbound], Reply], rescue: Callable[[Msisdn, str], None]
) -> Blueprint:
    """The USSD doors of Africa's Talking. `rescue(phone, session)` is told of every session that was cut off."""
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
        if ended.status in CUT and ended.msisdn is not None:
            rescue(ended.msisdn, ended.session)
        return plain("")

    return doors
