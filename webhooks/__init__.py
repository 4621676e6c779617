"""Webhooks: the doors from outside. Thin: verify, translate, call, answer. What every provider's door does stands here."""

import structlog
from flask import Blueprint, Response, abort, request

from bot.channels import Forged, Malformed
from bot.messages import Unavailable

LONGEST_BODY = 64 * 1024
"""Bytes. The longest genuine request, a USSD transcript or a ten-part text, has a few kilobytes."""

log = structlog.get_logger(__name__)


def provider_blueprint(name: str) -> Blueprint:
    """A blueprint whose doors take no long bodies, answer forgeries with a constant 403 and unusable requests with 400.

    What cannot be served now is answered 503, with what may truthfully be said: a provider that repeats requests sends it again.
    """
    doors = Blueprint(name, __name__, template_folder="templates")
    doors.before_request(_refuse_long_bodies)
    doors.register_error_handler(Forged, forbidden)
    doors.register_error_handler(Malformed, _unusable)
    doors.register_error_handler(Unavailable, _again_later)
    return doors


def plain(text: str, status: int = 200) -> Response:
    """An answer in plain text."""
    return Response(text, status, mimetype="text/plain")


def _refuse_long_bodies() -> None:
    """One byte more is read than is allowed: a body that does not say its length would be cut off without a word."""
    request.max_content_length = LONGEST_BODY + 1
    if len(request.get_data()) > LONGEST_BODY:
        abort(413)


def forbidden(_: Exception) -> Response:
    """The constant answer to a forgery."""
    log.warning("forged request refused", door=request.endpoint)
    return plain("Forbidden", 403)


def _unusable(error: Exception) -> Response:
    log.warning("unusable request", door=request.endpoint, reason=str(error))
    return plain(str(error), 200 if isinstance(error, Malformed) and error.accept else 400)


def _again_later(error: Exception) -> Response:
    return plain(str(error), 503)
