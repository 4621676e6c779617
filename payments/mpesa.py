"""M-Pesa (Safaricom's Daraja): the payer types a PIN at a prompt on the phone (STK push); money goes back by B2C.

Sources: Safaricom's Daraja pages "M-Pesa Express", "M-Pesa Express Query", "Business to Customer" and "Transaction
Status". What its result codes and callbacks mean stands in mpesa_results.py.
"""

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from payments.gateway import Callback, Charge, Forged, Found, Gateway, Hint, NotTaken, Refund, Unanswered
from payments.mpesa_results import (
    CURRENCY,
    PAYOUT_REASONS,
    REASONS,
    RESULT_CODE,
    STILL_WAITING,
    payout_result,
    prompt_result,
)
from payments.provider_http import Answer, Caller, Doors, Token, at, read_json, to_whole

LARGEST_MINOR = 25_000_000
"""KES 250,000: the most that one transaction may move (Safaricom's tariff). The least is KES 1; only whole shillings."""

DOOR = "daraja"
"""In the addresses we give them: Daraja blocks addresses with "mpesa" or "safaricom" in them ("Register URL" page)."""

_ASKED = "asked"
_BUSY = frozenset({"500.003.02", "500.003.03"})  # spike arrest, quota
_OUR_FAULT = ("Wrong credentials", "Merchant does not exist")
_TOKEN_REFUSED = frozenset({"404.001.03", "400.003.01"})
_ERROR_CODE = re.compile(r"[0-9.]{1,20}")
_PAYER = re.compile(r"\+254[17][0-9]{8}")
_NAIROBI = timezone(timedelta(hours=3))


class Mpesa(Gateway):
    """M-Pesa in Kenya. `shortcode` and `passkey` are the till's; payouts leave `b2c_shortcode` in the name of
    `initiator_name`, with `security_credential`: that person's password, encrypted for Safaricom.

    What M-Pesa promises less than others, and what is made of it:

    - It takes no key of ours with a prompt. After an unanswered `ask` there may be a prompt, and asking again may make a
      second one; only its callback names it (`Hint.handle`, at an address made for this charge alone).
    - The query of a prompt tells no amount and no receipt. It needs no amount: that is fixed by our own request, and the
      payer cannot change it. So `Found.amount_minor` is None, and `receipt` is the handle: who keeps one payment for each
      receipt takes no prompt for two charges. M-Pesa's own receipt number comes in the callback only.
    - A payout can be fetched in no way: its result is called back, and so is the result of querying it. This is the one
      place where a callback is believed, and only if it came to the secret address made for this refund, names this
      refund's OriginatorConversationID (its id), and is final. `hint` puts it in `Hint.handle` ("0 SG632NMUAB 50000":
      result code, transaction, minor units), which the caller stores as the refund's handle and gives back to
      `find_refund`; there the amount is compared like any other.
    """

    rail = "mpesa"
    account = "1130"
    door = DOOR
    wait_seconds = 120
    ask_after_seconds = 5
    acknowledgement = (200, '{"ResultCode":0,"ResultDesc":"Accepted"}')

    def __init__(
        self,
        *,
        base_url: str,
        consumer_key: str,
        consumer_secret: str,
        shortcode: str,
        passkey: str,
        b2c_shortcode: str,
        initiator_name: str,
        security_credential: str,
        callback_base: str,
        callback_secret: str,
        timeout_seconds: float = 10,
    ) -> None:
        self._shortcode = shortcode
        self._passkey = passkey
        self._b2c_shortcode = b2c_shortcode
        self._initiator_name = initiator_name
        self._security_credential = security_credential
        self._doors = Doors(callback_base, DOOR, callback_secret)
        self._caller = Caller(base_url, timeout_seconds, _token_refused)
        self._token = Token(
            lambda: self._caller.call(
                "GET",
                "/oauth/v1/generate",
                query={"grant_type": "client_credentials"},
                basic=(consumer_key, consumer_secret),
            )
        )

    def fits(self, msisdn: str, amount_minor: int, currency: str) -> bool:
        """Kenyan mobiles, whole shillings, KES 1 to 250,000."""
        payable = currency == CURRENCY and bool(to_whole(amount_minor, CURRENCY)) and 0 < amount_minor <= LARGEST_MINOR
        return payable and bool(_PAYER.fullmatch(msisdn))

    def ask(self, charge: Charge) -> Found:
        """Make the prompt appear. A charge whose handle is known is looked up and not asked again.

        After Unanswered it must not be asked again before the prompt's time is over: see the class.
        """
        if charge.handle:
            return self.find(charge)
        if not self.fits(charge.msisdn, charge.amount_minor, charge.currency):
            return Found("failed", reason="refused")
        payer = charge.msisdn.removeprefix("+")
        answer = self._post(
            "/mpesa/stkpush/v1/processrequest",
            {
                **self._signed(),
                "TransactionType": "CustomerPayBillOnline",
                "Amount": to_whole(charge.amount_minor, CURRENCY),
                "PartyA": payer,
                "PartyB": self._shortcode,
                "PhoneNumber": payer,
                "CallBackURL": self._doors.address("charge", charge.id),
                "AccountReference": charge.reference[:12],
                "TransactionDesc": charge.reference[:13],
            },
        )
        message = answer.word("errorMessage")
        if message.startswith("Unable to lock subscriber"):
            return Found("failed", reason="busy")
        if answer.status == 400 and message.endswith("Invalid PhoneNumber"):
            return Found("failed", reason="unknown_payer")
        _accepted(answer)
        handle = answer.word("CheckoutRequestID")
        if not handle:
            raise Unanswered("no_handle")
        return Found("pending", handle=handle)

    def find(self, charge: Charge) -> Found:
        """Query a prompt. M-Pesa tells its result and no amount (see the class), and never that there was none.

        Without a handle nothing can be queried: a prompt may be on the phone, and its callback will name it. Until then
        `pending` is what is known; `absent` would be a guess.
        """
        if not charge.handle:
            return Found("pending")
        answer = self._post("/mpesa/stkpushquery/v1/query", {**self._signed(), "CheckoutRequestID": charge.handle})
        if answer.word("errorMessage").startswith("The transaction is being processed"):
            return Found("pending", handle=charge.handle)
        if answer.word("errorMessage").endswith("Invalid CheckoutRequestID"):  # forgotten: it may have been paid
            raise Unanswered("unknown_handle")
        _accepted(answer)
        code = answer.word("ResultCode")
        if answer.word("CheckoutRequestID") != charge.handle or not RESULT_CODE.fullmatch(code):
            raise Unanswered("unreadable_result")
        if code in STILL_WAITING:
            return Found("pending", handle=charge.handle)
        if code == "0":
            return Found("paid", handle=charge.handle, receipt=charge.handle)
        return Found("failed", handle=charge.handle, reason=REASONS.get(code, "other"))

    def refund(self, refund: Refund) -> Found:
        """Pay out to the payer's phone. Asked again with the same id, M-Pesa refuses the second: still one payout. A payout
        that M-Pesa has confirmed gets the handle "asked".

        Fractions of a shilling cannot be sent: `failed`, with nothing asked.
        """
        if refund.handle:
            return self.find_refund(refund)
        charge = refund.charge
        if not self.fits(charge.msisdn, refund.amount_minor, charge.currency):
            return Found("failed", reason="other")
        answer = self._post(
            "/mpesa/b2c/v3/paymentrequest",
            {
                **self._results_of(refund),
                "OriginatorConversationID": refund.id,
                "InitiatorName": self._initiator_name,
                "CommandID": "BusinessPayment",
                "Amount": to_whole(refund.amount_minor, CURRENCY),
                "PartyA": self._b2c_shortcode,
                "PartyB": charge.msisdn.removeprefix("+"),
                "Remarks": f"Refund {refund.reference}",
            },
        )
        told = answer.word("errorMessage") or answer.word("ResponseDescription")
        if not told.startswith("Duplicate OriginatorConversationID"):
            _accepted(answer)
        return Found("pending", handle=_ASKED)

    def find_refund(self, refund: Refund) -> Found:
        """What M-Pesa's result said, which is the refund's handle. Before there is one: have the transaction queried, whose
        result is called back, and say `pending`.

        `absent` without a handle: M-Pesa has confirmed nothing yet. It may know the payout all the same; asking again with
        the same id is safe, and tells.
        """
        if not refund.handle:
            return Found("absent")
        if refund.handle == _ASKED:
            query = {
                **self._results_of(refund),
                "OriginalConversationID": refund.id,
                "Initiator": self._initiator_name,
                "CommandID": "TransactionStatusQuery",
                "PartyA": self._b2c_shortcode,
                "IdentifierType": "4",
                "Remarks": f"Refund {refund.reference}",
            }
            _accepted(self._post("/mpesa/transactionstatus/v1/query", query))
            return Found("pending")
        code, _, rest = refund.handle.partition(" ")
        if code != "0":
            return Found("failed", handle=refund.handle, reason=PAYOUT_REASONS.get(code, "other"))
        receipt, _, amount = rest.partition(" ")
        return Found("paid", refund.handle, receipt, int(amount), CURRENCY)

    def hint(self, callback: Callback) -> Hint:
        """A prompt's result, a payout's, or a transaction's that was queried. Which one, the address says."""
        kind = self._doors.kind(callback, "charge", "refund", "queue")
        try:
            data = read_json(callback.body)
        except ValueError:
            raise Forged from None
        if kind == "charge":
            return prompt_result(callback.charge_id, at(data, "Body", "stkCallback"))
        result = at(data, "Result")
        if kind == "queue" or not isinstance(result, dict):  # it waited too long for M-Pesa, which proves nothing
            return Hint(f"queue {callback.charge_id}", refund_id=callback.charge_id)
        return payout_result(callback.charge_id, result)

    def _post(self, path: str, body: Mapping[str, object]) -> Answer:
        return self._caller.call("POST", path, token=self._token, body=body, answers={500})

    def _signed(self) -> dict[str, str]:
        stamp = datetime.now(_NAIROBI).strftime("%Y%m%d%H%M%S")
        password = base64.b64encode(f"{self._shortcode}{self._passkey}{stamp}".encode()).decode()
        return {"BusinessShortCode": self._shortcode, "Password": password, "Timestamp": stamp}

    def _results_of(self, refund: Refund) -> dict[str, str]:
        return {
            "SecurityCredential": self._security_credential,
            "ResultURL": self._doors.address("refund", refund.id),
            "QueueTimeOutURL": self._doors.address("queue", refund.id),
        }


def _token_refused(answer: Answer) -> bool:
    return answer.status == 401 or answer.word("errorCode") in _TOKEN_REFUSED


def _accepted(answer: Answer) -> None:
    """Return when M-Pesa took the request. Raises NotTaken when it says that it did not, Unanswered when that is unclear."""
    code, message = answer.word("errorCode"), answer.word("errorMessage")
    if answer.status < 300:
        response = answer.word("ResponseCode")
        if response != "0":
            raise NotTaken(f"response_{response}", alarm=True) if response.isdecimal() else Unanswered("unreadable")
    elif not _ERROR_CODE.fullmatch(code):
        raise Unanswered(f"http_{answer.status}")
    elif code in _BUSY:
        raise NotTaken(code)
    elif answer.status < 500 or message.startswith(_OUR_FAULT):
        raise NotTaken(code, alarm=True)
    else:
        raise Unanswered(code)
