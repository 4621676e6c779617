"""What Daraja calls back: results of prompts, of payouts, and of queries, in its own shapes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.fakes.faults import Call


@dataclass(slots=True)
class Push:
    """One prompt. `code` is its result, empty while the payer has not acted."""

    id: str
    msisdn: str = field(repr=False)
    amount: int
    reference: str
    callback_url: str
    merchant_request: str
    receipt: str
    code: str = ""


@dataclass(slots=True)
class Payout:
    """One B2C payment. `code` is its result, empty while it is not done."""

    id: str
    amount: int
    result_url: str
    conversation: str
    transaction: str
    code: str = ""
    told_amount: int | None = None


def described(code: str) -> str:
    """What a result code means, roughly."""
    return "The service request is processed successfully." if code == "0" else "The service request was not completed."


def call(url: str, body: object) -> Call:
    """A callback in JSON."""
    return Call(url, json.dumps(body).encode(), {"Content-Type": "application/json"})


def prompt_result(push: Push, told_amount: int | None) -> dict[str, Any]:
    """What is called back when a prompt ended."""
    result: dict[str, Any] = {
        "MerchantRequestID": push.merchant_request,
        "CheckoutRequestID": push.id,
        "ResultCode": int(push.code),
        "ResultDesc": described(push.code),
    }
    if push.code == "0":
        result["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": float(push.amount if told_amount is None else told_amount)},
                {"Name": "MpesaReceiptNumber", "Value": push.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": 20261120155745},
                {"Name": "PhoneNumber", "Value": int(push.msisdn.removeprefix("+"))},
            ]
        }
    return {"Body": {"stkCallback": result}}


def _result(originator: str, conversation: str, code: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if code.isdigit() else code,
        "ResultDesc": described(code),
        "OriginatorConversationID": originator,
        "ConversationID": conversation,
        "TransactionID": parameters.get("TransactionReceipt", "SG00000000"),
    }
    if parameters:
        named = [{"Key": key, "Value": value} for key, value in parameters.items()]
        result["ResultParameters"] = {"ResultParameter": named}
    return {"Result": result}


def payout_result(payout: Payout) -> dict[str, Any]:
    """What is called back when a payout was made, or was not."""
    told: dict[str, object] = {
        "TransactionAmount": payout.amount if payout.told_amount is None else payout.told_amount,
        "TransactionReceipt": payout.transaction,
        "B2CRecipientIsRegisteredCustomer": "Y",
    }
    return _result(payout.id, payout.conversation, payout.code, told if payout.code == "0" else {})


def status_result(own: str, conversation: str, payout: Payout | None) -> dict[str, Any]:
    """What is called back when a payout was queried."""
    if payout is None:
        return _result(own, conversation, "SFC_IC0003", {})
    status = {"": "Pending", "0": "Completed"}.get(payout.code, "Failed")
    amount = payout.amount if payout.told_amount is None else payout.told_amount
    told = {
        "OriginatorConversationID": payout.id,
        "TransactionStatus": status,
        "Amount": str(amount),
        "ReceiptNo": payout.transaction,
    }
    return _result(own, conversation, "0", told)
