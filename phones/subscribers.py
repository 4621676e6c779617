"""An operator's subscriber data, for tests and bin/dev: it knows a few names, and fails in every way a real one does.

The shapes are CAMARA's (Know Your Customer Match 0.3, release r2.2), with an OAuth token before them.
"""

import time
from collections.abc import Mapping
from typing import Literal

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

Fault = Literal["slow", "500", "404", "403", "garbage", "not_available"]

CLIENT_ID = "dev-subscribers-client"
CLIENT_SECRET = "dev-subscribers-secret"  # noqa: S105 - the documented one of development
TOKEN = "dev-subscribers-token"  # noqa: S105
DEMO_NAMES = {"+254712000002": "Baraka", "+254712000003": "Chebet", "+254712000004": "Daudi"}
"""Whose phones the demo's strangers are."""


def blueprint(
    known: Mapping[str, str] = DEMO_NAMES,
    faults: Mapping[str, Fault] | None = None,
    *,
    slow_seconds: float = 5.0,
    client_id: str = CLIENT_ID,
    client_secret: str = CLIENT_SECRET,
) -> Blueprint:
    """Everything under /subscribers. `known` are first names by number, E.164; `faults` what goes wrong for a number.

    Both are looked at when a question comes, so that a test may change them.
    """
    subscribers = Blueprint("subscribers", __name__, url_prefix="/subscribers")

    @subscribers.post("/oauth2/token")
    def token() -> ResponseReturnValue:
        login = request.authorization
        if not login or (login.username, login.password) != (client_id, client_secret):
            return jsonify(error="invalid_client"), 401
        return jsonify(access_token=TOKEN, token_type="Bearer", expires_in=300)  # noqa: S106

    @subscribers.post("/kyc-match/v0.3/match")
    def match() -> ResponseReturnValue:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(
                401, "UNAUTHENTICATED", "Request not authenticated due to missing, invalid, or expired credentials."
            )
        asked = request.get_json(silent=True)
        number, name = (asked.get("phoneNumber"), asked.get("givenName")) if isinstance(asked, dict) else (None, None)
        if not isinstance(number, str) or not isinstance(name, str):
            return _error(400, "INVALID_ARGUMENT", "Client specified an invalid argument.")
        failing = _fails((faults or {}).get(number), slow_seconds)
        if failing is not None:
            return failing
        if number not in known:
            return _error(404, "IDENTIFIER_NOT_FOUND", "Device identifier not found.")
        return jsonify(givenNameMatch="true" if name.casefold() == known[number].casefold() else "false")

    return subscribers


def _fails(fault: Fault | None, slow_seconds: float) -> ResponseReturnValue | None:
    match fault:
        case "slow":
            time.sleep(slow_seconds)
        case "500":
            return _error(500, "INTERNAL", "Unknown server error.")
        case "404":
            return _error(404, "IDENTIFIER_NOT_FOUND", "Device identifier not found.")
        case "403":
            return _error(403, "PERMISSION_DENIED", "Client does not have sufficient permissions.")
        case "garbage":
            return "<html>It works!</html>", 200
        case "not_available":
            return jsonify(givenNameMatch="not_available")
    return None


def _error(status: int, code: str, message: str) -> ResponseReturnValue:
    return jsonify(status=status, code=code, message=message), status
