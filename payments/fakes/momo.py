"""MTN's MoMo API as it answers from outside, and the phones of its subscribers."""

import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import cycle
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from flask import Blueprint, Response, jsonify, request

from payments.fakes.faults import Call, Calls, Faults
from payments.fakes.people import Answer, Prompt
from payments.provider_http import to_minor

ANSWERS: Final[Mapping[Answer, tuple[str, str]]] = {
    "pay": ("SUCCESSFUL", ""),
    "decline": ("FAILED", "APPROVAL_REJECTED"),
    "no_funds": ("FAILED", "NOT_ENOUGH_FUNDS"),
    "wrong_pin": ("FAILED", "INTERNAL_PROCESSING_ERROR"),
}

TEST_PAYERS: Final[Mapping[str, tuple[str, str]]] = {
    "46733123450": ("FAILED", "INTERNAL_PROCESSING_ERROR"),
    "46733123451": ("FAILED", "APPROVAL_REJECTED"),
    "46733123452": ("FAILED", "EXPIRED"),
    "46733123453": ("PENDING", ""),  # for ever: it shows no prompt
    "46733123454": ("PENDING", ""),  # until it is fetched a second time
    "46733123455": ("FAILED", "PAYER_NOT_FOUND"),
}
"""The sandbox's own payers and what becomes of their requests."""
DELAYED = "46733123454"


@dataclass(slots=True)
class Request:
    """A request to pay, or a transfer, by its X-Reference-Id."""

    id: str
    product: str
    body: Mapping[str, Any] = field(repr=False)
    callback_url: str
    transaction: str
    status: str = "PENDING"
    reason: str = ""
    fetched: int = 0
    told: dict[str, str] = field(default_factory=dict)

    @property
    def party(self) -> str:
        """The other side's number, without +."""
        return str((self.body.get("payer") or self.body.get("payee") or {}).get("partyId", ""))

    @property
    def amount_minor(self) -> int:
        """What it truly moves, in minor units."""
        return to_minor(self.body["amount"], self.body["currency"])


class FakeMomo:
    """Doors for faults: token, can_pay, ask, find, refund, find_refund. A prompt's id is its X-Reference-Id.

    Callbacks are made by PUT and POST in turn. Transfers succeed at once, unless `plan_transfers` says otherwise.
    """

    credentials: ClassVar[dict[str, str]] = {
        "collection_user": "11111111-1111-4111-8111-111111111111",
        "collection_key": "dev-momo-collection-key",
        "collection_subscription": "dev-momo-collection-subscription",
        "disbursement_user": "22222222-2222-4222-8222-222222222222",
        "disbursement_key": "dev-momo-disbursement-key",
        "disbursement_subscription": "dev-momo-disbursement-subscription",
    }

    def __init__(self, faults: Faults, calls: Calls, credentials: Mapping[str, str] | None = None) -> None:
        self.faults = faults
        self.calls = calls
        self._credentials = credentials or self.credentials
        self.token_seconds = 3600
        self.requests: dict[str, Request] = {}
        self.inactive: set[str] = {"46733123455"}
        self.asked_tokens = 0
        self._tokens: dict[str, str] = {}
        self._transfers: list[tuple[str, str]] = []
        self._methods = cycle(("PUT", "POST"))
        self._lock = threading.RLock()
        self.blueprint = Blueprint("momo", __name__, url_prefix="/momo")
        for method, path, view in (
            ("POST", "/<product>/token/", self._token),
            ("GET", "/collection/v1_0/accountholder/msisdn/<party>/active", self._active),
            ("POST", "/collection/v1_0/requesttopay", self._request_to_pay),
            ("GET", "/collection/v1_0/requesttopay/<id_>", self._paid),
            ("POST", "/disbursement/v1_0/transfer", self._transfer),
            ("GET", "/disbursement/v1_0/transfer/<id_>", self._transferred),
        ):
            self.blueprint.add_url_rule(path, view.__name__, view, methods=[method])

    # The payer's phone, and the fake's own books ------------------------------------------------------------------------
    def prompts(self, msisdn: str) -> list[Prompt]:
        """The requests that wait for approval on this phone."""
        party = msisdn.removeprefix("+")
        with self._lock:
            return [
                Prompt(
                    asked.id,
                    "momo",
                    msisdn,
                    f"Pay {asked.body['currency']} {asked.body['amount']} to Giftline, {asked.body['payerMessage']}? Enter PIN",
                    asked.amount_minor,
                    asked.body["currency"],
                )
                for asked in self.requests.values()
                if (asked.product, asked.party, asked.status) == ("collection", party, "PENDING")
                and party not in TEST_PAYERS
            ]

    def answer(self, prompt_id: str, answer: Answer) -> None:
        """The payer acts on a request that waits. Raises KeyError for one that does not."""
        with self._lock:
            if self.requests[prompt_id].status != "PENDING":
                raise KeyError(prompt_id)
            self.settle(prompt_id, *ANSWERS[answer])

    def taken_minor(self, currency: str) -> int:
        """Collected, less what was transferred."""
        with self._lock:
            return sum(
                moved.amount_minor if moved.product == "collection" else -moved.amount_minor
                for moved in self.requests.values()
                if moved.status == "SUCCESSFUL" and moved.body["currency"] == currency
            )

    # What a test makes it do --------------------------------------------------------------------------------------------
    def settle(self, id_: str, status: str, reason: str = "") -> None:
        """A request or transfer ends so, also one that ended otherwise before."""
        with self._lock:
            settled = self.requests[id_]
            settled.status, settled.reason = status, reason
            if settled.callback_url:
                self.calls.add(_call(next(self._methods), settled.callback_url, _told(settled)))

    def misreport(self, id_: str, **told: str) -> None:
        """From now on something else is said of this request: amount, currency, externalId, financialTransactionId."""
        with self._lock:
            self.requests[id_].told.update(told)

    def plan_transfers(self, *ends: tuple[str, str]) -> None:
        """(status, reason) of the next transfers; PENDING waits for `settle`."""
        with self._lock:
            self._transfers.extend(ends)

    def expire_tokens(self) -> None:
        """The tokens that are out are refused from now on."""
        with self._lock:
            self._tokens.clear()

    def pay_unasked(self, callback_url: str, amount: str, currency: str, msisdn: str = "+46700000001") -> str:
        """Somebody pays without having been asked, and the callback goes to this address; the id it was paid under."""
        with self._lock:
            id_ = str(uuid4())
            party = {"partyIdType": "MSISDN", "partyId": msisdn.removeprefix("+")}
            body = {"amount": amount, "currency": currency, "externalId": id_, "payer": party}
            self.requests[id_] = Request(id_, "collection", body, callback_url, _transaction())
            self.settle(id_, "SUCCESSFUL")
            return id_

    def forge(self, callback_url: str, *, amount: str = "1", currency: str = "EUR") -> Call:
        """A callback that says "paid", of somebody who is not MTN, to an address of their choice."""
        body = {"amount": amount, "currency": currency, "externalId": "0", "payer": {}}
        forged = Request("0", "collection", body, callback_url, "666", "SUCCESSFUL")
        return _call("POST", callback_url, _told(forged))

    # MTN's doors --------------------------------------------------------------------------------------------------------
    def _token(self, product: str) -> Response:
        fault = self.faults.before("token")
        user, key = self._credentials.get(f"{product}_user", ""), self._credentials.get(f"{product}_key", "")
        given = "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()
        if not user or request.headers.get("Authorization") != given or not self._subscribed(product):
            return _json(401, {"error": "login_failed"})
        with self._lock:
            self.asked_tokens += 1
            token = self._tokens[product] = f"fake-{product}-token-{uuid4().hex}"
        self.faults.after(fault)
        return jsonify(access_token=token, token_type="access_token", expires_in=self.token_seconds)  # noqa: S106

    def _active(self, party: str) -> Response:
        fault = self.faults.before("can_pay")
        if refused := self._refused("collection"):
            return refused
        self.faults.after(fault)
        return jsonify(result=party not in self.inactive)

    def _request_to_pay(self) -> Response:
        return self._take("ask", "collection", "payer")

    def _transfer(self) -> Response:
        return self._take("refund", "disbursement", "payee")

    def _take(self, door: str, product: str, side: str) -> Response:
        fault = self.faults.before(door)
        if refused := self._refused(product):
            return refused
        id_, body = request.headers.get("X-Reference-Id", ""), request.get_json()
        if not _well_formed(id_, body, side):
            return _json(400, {"message": "Request does not follow the specification", "code": "BAD_REQUEST"})
        with self._lock:
            if id_ in self.requests:
                message = "Duplicated reference id. Creation of resource failed."
                return _json(409, {"code": "RESOURCE_ALREADY_EXIST", "message": message})
            url = request.headers.get("X-Callback-Url", "")
            self.requests[id_] = Request(id_, product, body, url, _transaction())
            self._end(self.requests[id_])
        self.faults.after(fault)
        return Response("", 202)

    def _end(self, taken: Request) -> None:
        """What becomes of it without anybody's doing."""
        if taken.product == "disbursement":
            status, reason = self._transfers.pop(0) if self._transfers else ("SUCCESSFUL", "")
        else:
            status, reason = TEST_PAYERS.get(taken.party, ("PENDING", ""))
        if status != "PENDING":
            self.settle(taken.id, status, reason)

    def _paid(self, id_: str) -> Response:
        return self._state("find", "collection", id_)

    def _transferred(self, id_: str) -> Response:
        return self._state("find_refund", "disbursement", id_)

    def _state(self, door: str, product: str, id_: str) -> Response:
        fault = self.faults.before(door)
        if refused := self._refused(product):
            return refused
        with self._lock:
            found = self.requests.get(id_)
            if found is None or found.product != product:
                return _json(404, {"code": "RESOURCE_NOT_FOUND", "message": "Requested resource was not found."})
            found.fetched += 1
            if found.party == DELAYED and found.fetched == 2 and found.status == "PENDING":
                self.settle(id_, "SUCCESSFUL")
            answer = _json(200, _told(found))
        self.faults.after(fault)
        return answer

    def _refused(self, product: str) -> Response | None:
        if not self._subscribed(product):
            message = "Access denied due to invalid subscription key."
            return _json(401, {"statusCode": 401, "message": message})
        with self._lock:
            token = self._tokens.get(product)
        if not token or request.headers.get("Authorization") != f"Bearer {token}":
            return _json(401, {"message": "Unauthorized", "code": "401"})
        if request.headers.get("X-Target-Environment") != "sandbox":
            message = "Access to target environment is forbidden."
            return _json(500, {"code": "NOT_ALLOWED_TARGET_ENVIRONMENT", "message": message})
        return None

    def _subscribed(self, product: str) -> bool:
        given = request.headers.get("Ocp-Apim-Subscription-Key")
        return given is not None and given == self._credentials.get(f"{product}_subscription")


def _transaction() -> str:
    """No number comes twice, also after a restart: the books of whom we tell them outlive this fake."""
    return str(uuid4().int % 10**15)


def _well_formed(id_: str, body: object, side: str) -> bool:
    if not isinstance(body, dict):
        return False
    try:
        UUID(id_)
        named = all(isinstance(body[name], str) for name in ("amount", "currency", "externalId", "payeeNote"))
        party = body[side]
        return named and Decimal(body["amount"]) > 0 and party["partyIdType"] == "MSISDN" and party["partyId"].isdigit()
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return False


def _told(about: Request) -> dict[str, Any]:
    """What is said of a request when it is fetched, and called back."""
    body = {**about.body, "status": about.status}
    if about.status == "SUCCESSFUL":
        body["financialTransactionId"] = about.transaction
    if about.reason:
        body["reason"] = about.reason
    return {**body, **about.told}


def _json(status: int, body: object) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def _call(method: str, url: str, body: object) -> Call:
    return Call(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method)
