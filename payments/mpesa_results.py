"""What M-Pesa's result codes and callbacks mean.

Sources: Safaricom's Daraja pages "M-Pesa Express", "Business to Customer" and "Transaction Status". What those do not
say, and is known from others' logs, is marked "seen".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from payments.gateway import Forged, Hint, Reason
from payments.provider_http import at, to_minor, word

CURRENCY = "KES"

REASONS: Final[Mapping[str, Reason]] = {
    "1": "no_funds",
    "2": "over_limit",  # below the smallest amount
    "3": "over_limit",
    "4": "over_limit",  # of the payer's day
    "8": "over_limit",
    "17": "busy",  # the same amount from the same phone within two minutes
    "1001": "busy",  # another prompt is open; seen
    "1019": "expired",
    "1025": "unreachable",  # the prompt could not be sent
    "9999": "unreachable",  # likewise; seen
    "1032": "cancelled",
    "1037": "unreachable",  # no answer from the phone within about a minute
    "2001": "wrong_pin",
    "8006": "refused",  # the PIN is locked
}
"""Result codes of a prompt. One that is not here is a failure for another reason."""

STILL_WAITING = frozenset({"4999"})
"""Result codes of the query that are no result yet: "The transaction is still under processing"; seen."""

PAYOUT_REASONS: Final[Mapping[str, Reason]] = {
    "1": "other",  # too little on our own account, which is not the payer's lack
    "2": "over_limit",
    "3": "over_limit",
    "4": "over_limit",
    "8": "over_limit",  # the payee's balance would be too high
    "11": "other",
    "21": "other",
    "2001": "other",  # our initiator's password
    "2006": "other",
    "2028": "other",
    "2040": "unknown_payer",
    "8006": "other",
    "SFC_IC0003": "unknown_payer",
    "Failed": "other",  # these four: the status of a transaction that was queried; seen
    "Declined": "refused",
    "Cancelled": "cancelled",
    "Expired": "expired",
}
"""Results that say a payout was not made. On a code that is not here nobody acts: the transaction is queried."""

RESULT_CODE = re.compile(r"[0-9A-Z_]{1,12}")
_TRANSACTION = re.compile(r"[0-9A-Z]{6,20}")


def prompt_result(charge_id: str, result: Any) -> Hint:
    """The result of a prompt (`Body.stkCallback`), called back about this charge. Raises Forged when it cannot be read."""
    handle, code = word(result, "CheckoutRequestID"), word(result, "ResultCode")
    if not handle or not RESULT_CODE.fullmatch(code):
        raise Forged
    items = _named(at(result, "CallbackMetadata", "Item"), "Name")
    return Hint(
        f"prompt {handle} {code}",
        charge_id=charge_id,
        handle=handle,
        receipt=word(items, "MpesaReceiptNumber"),
        amount_minor=_amount(items.get("Amount")),
        currency=CURRENCY,
    )


def payout_result(refund_id: str, result: Any) -> Hint:
    """The result (`Result`) of this refund's payout, or of querying it, whose parameters then name the payout.

    Only a final result, of this refund and whole, has a handle: "0 SG632NMUAB 50000", or the code of a failure.
    """
    code, conversation = word(result, "ResultCode"), word(result, "ConversationID")
    items = _named(at(result, "ResultParameters", "ResultParameter"), "Key")
    queried = word(items, "OriginatorConversationID")
    if refund_id != (queried or word(result, "OriginatorConversationID")) or not RESULT_CODE.fullmatch(code):
        # a query that found nothing names no payout: it says nothing of this refund
        return Hint(f"payout {refund_id} {conversation}", refund_id=refund_id)
    if queried:
        receipt, amount = word(items, "ReceiptNo"), _amount(items.get("Amount"))
        status = word(items, "TransactionStatus")
        code = "0" if code == "0" and status == "Completed" else status
    else:
        receipt, amount = word(items, "TransactionReceipt"), _amount(items.get("TransactionAmount"))
    handle = ""
    if word(result, "ResultType") == "0":
        if code == "0" and _TRANSACTION.fullmatch(receipt) and amount is not None:
            handle = f"0 {receipt} {amount}"
        elif code in PAYOUT_REASONS:
            handle = code
    return Hint(
        f"payout {refund_id} {conversation} {code}",
        handle=handle,
        receipt=receipt if handle.startswith("0 ") else "",
        refund_id=refund_id,
        amount_minor=amount,
        currency=CURRENCY,
    )


def _named(items: Any, name: str) -> dict[str, Any]:
    """Daraja's lists of names and values, as one object."""
    listed = items if isinstance(items, list) else []
    return {word(item, name): at(item, "Value") for item in listed}


def _amount(value: Any) -> int | None:
    try:
        return to_minor(value, CURRENCY)
    except ValueError:
        return None
