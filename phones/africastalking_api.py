"""Africa's Talking's REST API, as far as a text needs it: what the worker sends lands on a browser phone.

Shapes: https://developers.africastalking.com/docs/sms/sending and .../docs/sms/fetching.
"""

from uuid import uuid4

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from bot.config import Settings
from phones.airwaves import Airwaves
from phones.handset import SANDBOX_NETWORK, Network
from phones.providers import is_number, report, same


def blueprint(settings: Settings, airwaves: Airwaves, network: Network) -> Blueprint:
    """POST and GET africastalking/version1/messaging, under /phones."""
    doors = Blueprint("africastalking", __name__, url_prefix="/africastalking/version1")

    @doors.post("/messaging")
    def send() -> ResponseReturnValue:
        key = settings.africastalking_api_key.get_secret_value()
        named = request.form.get("username", "") == settings.africastalking_username
        if not named or not same(request.headers.get("apikey", ""), key):
            return "The supplied authentication is invalid", 401
        numbers = [number.strip() for number in request.form.get("to", "").split(",") if number.strip()]
        body = request.form.get("message", "")
        if not numbers or not body:
            return "Must have to/message in your request", 400
        sender = request.form.get("from") or "AFRICASTKNG"
        recipients = [_recipient(number) for number in numbers]
        taken = [recipient for recipient in recipients if recipient["statusCode"] == 101]
        for recipient in taken:
            airwaves.deliver(str(recipient["number"]), sender, body)
        report(network, lambda: [network.africastalking("sms", _report_of(one), "/delivery") for one in taken])
        summary = f"Sent to {len(taken)}/{len(numbers)} Total Cost: {settings.currency} 0.0000"
        return jsonify(SMSMessageData={"Message": summary, "Recipients": recipients}), 201

    @doors.get("/messaging")
    def fetch() -> ResponseReturnValue:
        """Our webhooks miss nothing here, so there is nothing to be fetched."""
        return jsonify(SMSMessageData={"Messages": []})

    return doors


def _recipient(number: str) -> dict[str, str | int]:
    if not is_number(number):
        return {"statusCode": 403, "number": number, "status": "InvalidPhoneNumber", "cost": "0", "messageId": "None"}
    message_id = f"ATXid_{uuid4().hex}"
    return {"statusCode": 101, "number": number, "status": "Success", "cost": "0", "messageId": message_id}


def _report_of(recipient: dict[str, str | int]) -> dict[str, str]:
    return {
        "id": str(recipient["messageId"]),
        "status": "Success",
        "phoneNumber": str(recipient["number"]),
        "networkCode": SANDBOX_NETWORK,
    }
