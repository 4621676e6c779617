"""Twilio's REST API, as far as messages and calls need it: what the worker sends lands on a browser phone, or rings there.

Shapes: https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/voice/api/call-resource.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import wraps
from uuid import uuid4

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from bot.config import Settings
from bot.fitting import segments
from phones import media
from phones.airwaves import Airwaves, Text
from phones.calling import Asked, Calls, Made
from phones.handset import Form, Network
from phones.media import Unfetched
from phones.providers import is_number, report, same

LONGEST_TEXT = 1600  # Twilio error 21617
RING_SECONDS = (5, 60, 600)
"""At least, by default, at most: Calls, Timeout."""
LONGEST_CALL_SECONDS = 14_400

REFUSALS = {
    20003: (401, "Authenticate"),
    21201: (400, "No 'To' number specified"),
    21205: (400, "Url is not a valid URL"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21602: (400, "Message body is required."),
    21604: (400, "'To' phone number is required"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL(s)"),
    21623: (400, "Number of media files exceeds allowed limit"),
}
"""Code -> HTTP status and sentence, from https://www.twilio.com/docs/api/errors."""


Door = Callable[[], ResponseReturnValue]


def blueprint(settings: Settings, airwaves: Airwaves, network: Network, calls: Calls) -> Blueprint:
    """POST and GET twilio/2010-04-01/Accounts/<sid>/Messages.json and Calls.json, under /phones."""
    doors = Blueprint("twilio", __name__, url_prefix="/twilio/2010-04-01/Accounts/<account>")

    def of_account(answer: Door) -> Callable[[str], ResponseReturnValue]:
        @wraps(answer)
        def door(account: str) -> ResponseReturnValue:
            return answer() if _is_account(account, settings) else _refusal(20003)

        return door

    for path, post, get in (
        ("/Messages.json", *_messages(settings, airwaves, network)),
        ("/Calls.json", *_calls(settings, calls)),
    ):
        doors.post(path)(of_account(post))
        doors.get(path)(of_account(get))
    return doors


def _messages(settings: Settings, airwaves: Airwaves, network: Network) -> tuple[Door, Door]:
    def send() -> ResponseReturnValue:
        to, body, callback = (request.form.get(name, "") for name in ("To", "Body", "StatusCallback"))
        sender, urls = request.form.get("From", settings.twilio_from), request.form.getlist("MediaUrl")
        refusal = _refusal_of_message(to, body, urls, callback, settings.public_base_url)
        if refusal:
            return _refusal(refusal)
        sid = f"{'MM' if urls else 'SM'}{uuid4().hex}"
        text = Text("", to, sender, body, time.time(), sid, [(url, "") for url in urls])
        if not urls:
            airwaves.deliver(to, sender, body, sid)
        path = callback.removeprefix(settings.public_base_url)

        def reports() -> list[Form]:
            code = _show(text, airwaves, network) if urls else ""
            return [network.twilio(path, one) for one in _reports(text, settings, code)] if callback else []

        report(network, reports)
        return jsonify(_message(text, settings)), 201

    def sent() -> ResponseReturnValue:
        to, sender = request.args.get("To", ""), request.args.get("From")
        texts = [text for text in airwaves.texts({to: "0"}) if text.sid and sender in (None, text.sender)]
        return jsonify(messages=[_message(text, settings) for text in reversed(texts)], page=0, next_page_uri=None)

    return send, sent


def _calls(settings: Settings, calls: Calls) -> tuple[Door, Door]:
    def call() -> ResponseReturnValue:
        to, url, callback = (request.form.get(name, "") for name in ("To", "Url", "StatusCallback"))
        refusal = _refusal_of_call(to, url, callback, settings.public_base_url)
        if refusal:
            return _refusal(refusal)
        least, usual, most = RING_SECONDS
        made = calls.ring(
            Asked(
                to=to,
                url=url,
                callback=callback,
                ring_seconds=min(most, max(least, request.form.get("Timeout", usual, type=int))),
                most_seconds=request.form.get("TimeLimit", LONGEST_CALL_SECONDS, type=int),
                detects_machines="MachineDetection" in request.form,
            )
        )
        return jsonify(_call(made, settings)), 201

    def called() -> ResponseReturnValue:
        made = calls.made(request.args.get("To", ""))
        return jsonify(calls=[_call(one, settings) for one in made], page=0, next_page_uri=None)

    return call, called


def _show(text: Text, airwaves: Airwaves, network: Network) -> str:
    """Fetch what goes with a message and put it all on the phone; else Twilio's code for why it cannot be."""
    try:
        files = [media.fetch(network, url) for url, _ in text.media]
    except Unfetched as unfetched:
        return unfetched.code
    airwaves.deliver(text.to, text.sender, text.body, text.sid, files)
    return ""


def _refusal_of_message(to: str, body: str, urls: Sequence[str], callback: str, public_base_url: str) -> int:
    """Why Twilio would not take a message, as its error code; 0 when it would.

    The phones never call a stranger: reports go, and pictures are fetched, only where the product says it lives.
    """
    faults = {
        21604: not to,
        21211: bool(to) and not is_number(to),
        21602: not body and not urls,
        21617: len(body) > LONGEST_TEXT,
        21609: bool(callback) and not callback.startswith(f"{public_base_url}/"),
        21623: len(urls) > media.MOST,
        21620: not all(url.startswith(f"{public_base_url}/") for url in urls),
    }
    return next((code for code, is_so in faults.items() if is_so), 0)


def _refusal_of_call(to: str, url: str, callback: str, public_base_url: str) -> int:
    faults = {
        21201: not to,
        21211: bool(to) and not is_number(to),
        21205: not url.startswith(f"{public_base_url}/"),
        21609: bool(callback) and not callback.startswith(f"{public_base_url}/"),
    }
    return next((code for code, is_so in faults.items() if is_so), 0)


def _refusal(code: int) -> ResponseReturnValue:
    status, sentence = REFUSALS[code]
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return jsonify(code=code, message=sentence, more_info=more_info, status=status), status


def _message(text: Text, settings: Settings) -> dict[str, object]:
    uri = f"/2010-04-01/Accounts/{settings.twilio_account_sid}/Messages/{text.sid}"
    then = format_datetime(datetime.fromtimestamp(text.at, UTC))
    return {
        "account_sid": settings.twilio_account_sid,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": then,
        "date_sent": then if text.id else None,
        "date_updated": then,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": text.sender,
        "messaging_service_sid": None,
        "num_media": str(len(text.media)),
        "num_segments": str(segments(text.body)),
        "price": None,
        "price_unit": "USD",
        "sid": text.sid,
        "status": "delivered" if text.id else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.to,
        "uri": f"{uri}.json",
    }


def _call(made: Made, settings: Settings) -> dict[str, object]:
    then = format_datetime(datetime.fromtimestamp(made.at, UTC))
    return {
        "account_sid": settings.twilio_account_sid,
        "api_version": "2010-04-01",
        "date_created": then,
        "date_updated": then,
        "direction": "outbound-api",
        "from": settings.twilio_from,
        "sid": made.sid,
        "status": "queued",
        "to": made.to,
        "uri": f"/2010-04-01/Accounts/{settings.twilio_account_sid}/Calls/{made.sid}.json",
    }


def _reports(text: Text, settings: Settings, code: str) -> list[dict[str, str]]:
    common = {
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "AccountSid": settings.twilio_account_sid,
        "ApiVersion": "2010-04-01",
        "From": text.sender,
        "To": text.to,
    }
    if code:
        return [common | {"MessageStatus": "failed", "SmsStatus": "failed", "ErrorCode": code}]
    delivered = {"RawDlrDoneDate": f"{datetime.now(UTC):%y%m%d%H%M}"}
    return [
        common | {"MessageStatus": "sent", "SmsStatus": "sent"},
        common | {"MessageStatus": "delivered", "SmsStatus": "delivered"} | delivered,
    ]


def _is_account(account: str, settings: Settings) -> bool:
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    token = settings.twilio_auth_token.get_secret_value()
    return account == given.username == settings.twilio_account_sid and same(given.password or "", token)
