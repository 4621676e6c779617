"""Twilio's and Africa's Talking's REST APIs, as far as a text needs them: what the worker sends lands on a browser phone.

Answers, refusals and delivery reports have the providers' own shapes, so the product cannot tell that no radio was used:
https://www.twilio.com/docs/messaging/api/message-resource and https://developers.africastalking.com/docs/sms/sending.
"""

import hmac
import logging
import threading
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import uuid4

import phonenumbers
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from bot.config import Settings
from bot.fitting import segments
from phones.airwaves import Airwaves
from phones.handset import SANDBOX_NETWORK, Form, Network, NetworkFault

LONGEST_TEXT = 1600  # Twilio error 21617

TWILIO_REFUSALS = {
    20003: (401, "Authenticate"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21602: (400, "Message body is required."),
    21604: (400, "'To' phone number is required"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
}
"""Code -> HTTP status and sentence, from https://www.twilio.com/docs/api/errors."""

log = logging.getLogger(__name__)


def blueprint(settings: Settings, airwaves: Airwaves, network: Network) -> Blueprint:
    """POST twilio/2010-04-01/Accounts/<sid>/Messages.json and africastalking/version1/messaging, under /phones."""
    providers = Blueprint("providers", __name__)

    _lists(providers, settings)

    @providers.post("/twilio/2010-04-01/Accounts/<account>/Messages.json")
    def twilio_messages(account: str) -> ResponseReturnValue:
        to, body, callback = (request.form.get(name, "") for name in ("To", "Body", "StatusCallback"))
        sender = request.form.get("From", settings.twilio_from)
        if not _is_twilio_account(account, settings):
            return _twilio_refusal(20003)
        refusal = _twilio_refusal_of(to, body, callback, settings.public_base_url)
        if refusal:
            return _twilio_refusal(refusal)
        sid = f"SM{uuid4().hex}"
        airwaves.deliver(to, sender, body)
        if callback:
            path = callback.removeprefix(settings.public_base_url)
            reports = _twilio_reports(sid, sender, to, settings)
            _report([network.twilio(path, report) for report in reports], network)
        return jsonify(_twilio_message(sid, sender, to, body, settings)), 201

    @providers.post("/africastalking/version1/messaging")
    def africastalking_messaging() -> ResponseReturnValue:
        key = settings.africastalking_api_key.get_secret_value()
        named = request.form.get("username", "") == settings.africastalking_username
        if not named or not _same(request.headers.get("apikey", ""), key):
            return "The supplied authentication is invalid", 401
        numbers = [number.strip() for number in request.form.get("to", "").split(",") if number.strip()]
        body = request.form.get("message", "")
        if not numbers or not body:
            return "Must have to/message in your request", 400
        sender = request.form.get("from") or "AFRICASTKNG"
        recipients = [_africastalking_recipient(number) for number in numbers]
        taken = [recipient for recipient in recipients if recipient["statusCode"] == 101]
        for recipient in taken:
            airwaves.deliver(str(recipient["number"]), sender, body)
        reports = [network.africastalking("sms", _africastalking_report(one), "/delivery") for one in taken]
        _report(reports, network)
        summary = f"Sent to {len(taken)}/{len(numbers)} Total Cost: {settings.currency} 0.0000"
        return jsonify(SMSMessageData={"Message": summary, "Recipients": recipients}), 201

    return providers


def _lists(providers: Blueprint, settings: Settings) -> None:
    """GET the same addresses: lists of the texts to us. Our webhooks are never missed here, so nothing is found in them."""

    @providers.get("/twilio/2010-04-01/Accounts/<account>/Messages.json")
    def twilio_list(account: str) -> ResponseReturnValue:
        return jsonify({"messages": [], "page": 0}) if _is_twilio_account(account, settings) else _twilio_refusal(20003)

    @providers.get("/africastalking/version1/messaging")
    def africastalking_list() -> ResponseReturnValue:
        return jsonify({"SMSMessageData": {"Messages": []}})


def _twilio_refusal_of(to: str, body: str, callback: str, public_base_url: str) -> int:
    """Why Twilio would not take a message, as its error code; 0 when it would.

    Reports go only where the product says it lives: the phones never call a stranger.
    """
    if not to:
        return 21604
    if not _is_number(to):
        return 21211
    if not body:
        return 21602
    if len(body) > LONGEST_TEXT:
        return 21617
    if callback and not callback.startswith(f"{public_base_url}/"):
        return 21609
    return 0


def _twilio_refusal(code: int) -> ResponseReturnValue:
    status, sentence = TWILIO_REFUSALS[code]
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return jsonify(code=code, message=sentence, more_info=more_info, status=status), status


def _twilio_message(sid: str, sender: str, to: str, body: str, settings: Settings) -> dict[str, object]:
    uri = f"/2010-04-01/Accounts/{settings.twilio_account_sid}/Messages/{sid}"
    now = format_datetime(datetime.now(UTC))
    return {
        "account_sid": settings.twilio_account_sid,
        "api_version": "2010-04-01",
        "body": body,
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segments(body)),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": to,
        "uri": f"{uri}.json",
    }


def _twilio_reports(sid: str, sender: str, to: str, settings: Settings) -> list[dict[str, str]]:
    common = {
        "MessageSid": sid,
        "SmsSid": sid,
        "AccountSid": settings.twilio_account_sid,
        "ApiVersion": "2010-04-01",
        "From": sender,
        "To": to,
    }
    delivered = {"RawDlrDoneDate": f"{datetime.now(UTC):%y%m%d%H%M}"}
    return [
        common | {"MessageStatus": "sent", "SmsStatus": "sent"},
        common | {"MessageStatus": "delivered", "SmsStatus": "delivered"} | delivered,
    ]


def _africastalking_recipient(number: str) -> dict[str, str | int]:
    if not _is_number(number):
        return {
            "statusCode": 403,
            "number": number,
            "status": "InvalidPhoneNumber",
            "cost": "0",
            "messageId": "None",
        }
    message_id = f"ATXid_{uuid4().hex}"
    return {"statusCode": 101, "number": number, "status": "Success", "cost": "0", "messageId": message_id}


def _africastalking_report(recipient: dict[str, str | int]) -> dict[str, str]:
    return {
        "id": str(recipient["messageId"]),
        "status": "Success",
        "phoneNumber": str(recipient["number"]),
        "networkCode": SANDBOX_NETWORK,
    }


def _report(forms: list[Form], network: Network) -> None:
    """Post delivery reports, in order, from a thread of their own: like the real ones, they may outrun our answer."""

    def post() -> None:
        for form in forms:
            try:
                network.post(form)
            except NetworkFault as fault:
                log.warning("a delivery report was not taken: %s", fault)

    threading.Thread(target=post, name="delivery reports", daemon=True).start()


def _is_twilio_account(account: str, settings: Settings) -> bool:
    given = request.authorization
    if given is None or given.type != "basic":
        return False
    token = settings.twilio_auth_token.get_secret_value()
    return account == given.username == settings.twilio_account_sid and _same(given.password or "", token)


def _is_number(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())
