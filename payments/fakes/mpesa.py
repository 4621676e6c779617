"""Daraja as it answers from outside, and the phones of its subscribers."""

import base64
import json
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request

from payments.fakes.faults import Call, Calls, Faults
from payments.fakes.mpesa_results import Payout, Push, call, described, payout_result, prompt_result, status_result
from payments.fakes.people import Answer, Prompt

ANSWERS: Final[Mapping[Answer, str]] = {"pay": "0", "decline": "1032", "no_funds": "1", "wrong_pin": "2001"}
BLOCKED_WORDS = ("mpesa", "m-pesa", "safaricom")


class FakeMpesa:
    """Doors for faults: token, ask, find, refund, find_refund. A prompt's id is its CheckoutRequestID.

    One phone has one prompt at a time. A payout is made as soon as it is asked, with the result that `plan_payouts` says.
    """

    credentials: ClassVar[dict[str, str]] = {
        "consumer_key": "dev-mpesa-key",
        "consumer_secret": "dev-mpesa-secret",
        "shortcode": "174379",
        "passkey": "dev-mpesa-passkey",
        "b2c_shortcode": "600997",
        "initiator_name": "dev-mpesa-initiator",
        "security_credential": "dev-mpesa-credential",
    }

    def __init__(self, faults: Faults, calls: Calls, credentials: Mapping[str, str] | None = None) -> None:
        self.faults = faults
        self.calls = calls
        self._credentials = credentials or self.credentials
        self.token_seconds = 3599
        self.pushes: dict[str, Push] = {}
        self.payouts: dict[str, Payout] = {}
        self.asked_tokens = 0
        self._token = ""
        self._payout_codes: list[str] = []
        self._unasked_minor = 0
        self._lock = threading.RLock()
        self.blueprint = Blueprint("mpesa", __name__, url_prefix="/mpesa")
        for method, path, view in (
            ("GET", "/oauth/v1/generate", self._generate),
            ("POST", "/mpesa/stkpush/v1/processrequest", self._process_request),
            ("POST", "/mpesa/stkpushquery/v1/query", self._query),
            ("POST", "/mpesa/b2c/v3/paymentrequest", self._payment_request),
            ("POST", "/mpesa/transactionstatus/v1/query", self._transaction_status),
        ):
            self.blueprint.add_url_rule(path, view.__name__, view, methods=[method])

    # The payer's phone, and the fake's own books ------------------------------------------------------------------------
    def prompts(self, msisdn: str) -> list[Prompt]:
        """The prompt that is open on this phone."""
        with self._lock:
            return [
                Prompt(
                    push.id,
                    "mpesa",
                    msisdn,
                    f"Do you want to pay Ksh{push.amount}.00 to Giftline, account {push.reference}? Enter M-PESA PIN",
                    push.amount * 100,
                    "KES",
                )
                for push in self.pushes.values()
                if push.msisdn == msisdn and not push.code
            ]

    def answer(self, prompt_id: str, answer: Answer) -> None:
        """The payer acts on an open prompt. Raises KeyError for one that is not open."""
        with self._lock:
            if self.pushes[prompt_id].code:
                raise KeyError(prompt_id)
            self.settle(prompt_id, ANSWERS[answer])

    def taken_minor(self, currency: str) -> int:
        """Paid by prompts, and by nobody's asking, less what was paid out."""
        with self._lock:
            paid = sum(push.amount for push in self.pushes.values() if push.code == "0")
            back = sum(payout.amount for payout in self.payouts.values() if payout.code == "0")
            return (paid - back) * 100 + self._unasked_minor if currency == "KES" else 0

    # What a test makes it do --------------------------------------------------------------------------------------------
    def settle(self, prompt_id: str, code: str, *, told_amount: int | None = None) -> None:
        """A prompt ends with this result, also one that ended otherwise before; the callback may tell a wrong amount (KES)."""
        with self._lock:
            push = self.pushes[prompt_id]
            push.code = code
            self.calls.add(call(push.callback_url, prompt_result(push, told_amount)))

    def plan_payouts(self, *codes: str) -> None:
        """Results of the next payouts; an empty one leaves it undone, for `settle_payout`."""
        with self._lock:
            self._payout_codes.extend(codes)

    def settle_payout(self, payout_id: str, code: str = "0", *, told_amount: int | None = None) -> None:
        """A payout ends; its result, and what is told of it when it is queried, may state a wrong amount (KES)."""
        with self._lock:
            payout = self.payouts[payout_id]
            payout.code, payout.told_amount = code, told_amount
            self.calls.add(call(payout.result_url, payout_result(payout)))

    def expire_tokens(self) -> None:
        """The token that is out is refused from now on."""
        with self._lock:
            self._token = ""

    def pay_unasked(self, callback_url: str, amount: int, msisdn: str = "+254700000001") -> str:
        """Somebody pays (KES) without having been asked, and the callback goes to this address; the handle it names."""
        with self._lock:
            push = self._push(msisdn, amount, "UNASKED", callback_url)
            del self.pushes[push.id]
            push.code = "0"
            self._unasked_minor += amount * 100
            self.calls.add(call(callback_url, prompt_result(push, None)))
            return push.id

    def forge(self, callback_url: str, *, handle: str = "ws_CO_forged", amount: int = 1) -> Call:
        """A callback that says "paid", of somebody who is not M-Pesa, to an address of their choice."""
        push = Push(handle, "+254700000009", amount, "FORGED", callback_url, "0-0-0", "FORGED0001", "0")
        return call(callback_url, prompt_result(push, None))

    # Daraja's doors -----------------------------------------------------------------------------------------------------
    def _generate(self) -> Response:
        fault = self.faults.before("token")
        given = request.authorization
        pair = (self._credentials["consumer_key"], self._credentials["consumer_secret"])
        if request.args.get("grant_type") != "client_credentials":
            return _error(400, "400.008.02", "Invalid grant type passed")
        if given is None or (given.username, given.password) != pair:
            return _error(400, "400.008.01", "Invalid Authentication passed")
        with self._lock:  # each one ends the one before
            self.asked_tokens += 1
            self._token = f"fake-token-{_unique()}"
            answer = jsonify(access_token=self._token, expires_in=str(self.token_seconds))
        self.faults.after(fault)
        return answer

    def _process_request(self) -> Response:
        fault = self.faults.before("ask")
        body, refused = self._read(signed=True)
        if refused:
            return refused
        with self._lock:
            answer = self._wrong_push(body) or self._ask(body)
        self.faults.after(fault)
        return answer

    def _wrong_push(self, body: Mapping[str, Any]) -> Response | None:
        payer, url = str(body.get("PhoneNumber")), str(body.get("CallBackURL"))
        amount = body.get("Amount")
        wrong = {
            "PhoneNumber": not (payer.startswith("254") and payer.isdigit() and len(payer) == 12),
            "Amount": not isinstance(amount, int) or amount < 1,
            "CallBackURL": not url.startswith("http") or any(word in url.lower() for word in BLOCKED_WORDS),
            "AccountReference": not 1 <= len(str(body.get("AccountReference", ""))) <= 12,
            "TransactionType": body.get("TransactionType") != "CustomerPayBillOnline",
            "PartyB": body.get("PartyB") != self._credentials["shortcode"],
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                return _error(400, "400.002.02", f"Bad Request - Invalid {name}")
        if self.prompts(f"+{payer}"):
            busy = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
            return _error(500, "500.001.1001", busy)
        return None

    def _ask(self, body: Mapping[str, Any]) -> Response:
        push = self._push(f"+{body['PhoneNumber']}", body["Amount"], body["AccountReference"], body["CallBackURL"])
        accepted = "Success. Request accepted for processing"
        return jsonify(
            MerchantRequestID=push.merchant_request,
            CheckoutRequestID=push.id,
            ResponseCode="0",
            ResponseDescription=accepted,
            CustomerMessage=accepted,
        )

    def _push(self, msisdn: str, amount: int, reference: str, callback_url: str) -> Push:
        number = _unique()
        handle, merchant_request, receipt = f"ws_CO_{number}", f"29115-{number}-1", f"Q{number[:9].upper()}"
        push = Push(handle, msisdn, amount, reference, callback_url, merchant_request, receipt)
        self.pushes[push.id] = push
        return push

    def _query(self) -> Response:
        fault = self.faults.before("find")
        body, refused = self._read(signed=True)
        if refused:
            return refused
        with self._lock:
            push = self.pushes.get(str(body.get("CheckoutRequestID")))
            if push is None:
                return _error(400, "400.002.02", "Bad Request - Invalid CheckoutRequestID")
            if not push.code:
                return _error(500, "500.001.1001", "The transaction is being processed")
            answer = jsonify(
                ResponseCode="0",
                ResponseDescription="The service request has been accepted successfully",
                MerchantRequestID=push.merchant_request,
                CheckoutRequestID=push.id,
                ResultCode=push.code,
                ResultDesc=described(push.code),
            )
        self.faults.after(fault)
        return answer

    def _payment_request(self) -> Response:
        fault = self.faults.before("refund")
        body, refused = self._read(initiator="InitiatorName")
        if refused:
            return refused
        id_, amount = str(body.get("OriginatorConversationID")), body.get("Amount")
        if not isinstance(amount, int) or amount < 1 or body.get("CommandID") != "BusinessPayment":
            return _error(400, "400.002.02", "Bad Request - Invalid Amount")
        with self._lock:
            if id_ in self.payouts:
                return _error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
            payout = Payout(id_, amount, body["ResultURL"], _conversation(), f"S{_unique()[:9].upper()}")
            self.payouts[id_] = payout
            code = self._payout_codes.pop(0) if self._payout_codes else "0"
            if code:
                self.settle_payout(id_, code)
            answer = _taken(payout.conversation, id_)
        self.faults.after(fault)
        return answer

    def _transaction_status(self) -> Response:
        fault = self.faults.before("find_refund")
        body, refused = self._read(initiator="Initiator")
        if refused:
            return refused
        with self._lock:
            own, conversation = f"status-{_unique()}", _conversation()
            payout = self.payouts.get(str(body.get("OriginalConversationID")))
            self.calls.add(call(body["ResultURL"], status_result(own, conversation, payout)))
        self.faults.after(fault)
        return _taken(conversation, own)

    def _read(self, *, signed: bool = False, initiator: str = "") -> tuple[dict[str, Any], Response | None]:
        """The body, and an error when the token, the till's password or the initiator is wrong."""
        with self._lock:
            if not self._token or request.headers.get("Authorization") != f"Bearer {self._token}":
                return {}, _error(404, "404.001.03", "Invalid Access Token")
        body: dict[str, Any] = request.get_json()
        if signed:
            shortcode = self._credentials["shortcode"]
            password = f"{shortcode}{self._credentials['passkey']}{body.get('Timestamp')}"
            if body.get("Password") != base64.b64encode(password.encode()).decode():
                return {}, _error(500, "500.001.1001", "Wrong credentials")
        if initiator:
            given = (body.get(initiator), body.get("SecurityCredential"), body.get("PartyA"))
            if given != tuple(
                self._credentials[name] for name in ("initiator_name", "security_credential", "b2c_shortcode")
            ):
                return {}, _error(400, "400.002.02", "Bad Request - Invalid InitiatorName")
        return body, None


def _unique() -> str:
    """No number comes twice, also after a restart: the books of whom we tell them outlive this fake."""
    return uuid4().hex[:20]


def _conversation() -> str:
    return f"AG_20261120_{_unique()}"


def _error(status: int, code: str, message: str) -> Response:
    return Response(
        json.dumps({"requestId": "1c5b-4ba8-1", "errorCode": code, "errorMessage": message}),
        status,
        mimetype="application/json",
    )


def _taken(conversation: str, originator: str) -> Response:
    return jsonify(
        ConversationID=conversation,
        OriginatorConversationID=originator,
        ResponseCode="0",
        ResponseDescription="Accept the service request successfully.",
    )
