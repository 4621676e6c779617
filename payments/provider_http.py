"""Asking a provider over HTTP: which answer means what, access tokens, and amounts as providers write them.

One place says what a missing answer means. A request that may have reached the provider and was not clearly answered is
Unanswered; one that never left, or was clearly turned away, is NotTaken. No text of an answer gets into an exception.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import requests
from babel.numbers import get_currency_precision
from urllib3.exceptions import NewConnectionError

from payments.gateway import Callback, Forged, NotTaken, Unanswered

LARGEST_CALLBACK = 65_536
"""Bytes. The longest that a provider sends has a few thousand."""

LARGEST_ANSWER = 4_194_304
"""Bytes. A page of a listing is the longest."""

LONGEST_WAIT = 3600.0
"""Seconds: a provider that asks for a longer pause is asked again after this one."""

_PLAIN = re.compile(r"[ -~]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LONGEST_AMOUNT = 20
_UNTIL_RENEWED = 0.9


def read_json(body: bytes, longest: int = LARGEST_CALLBACK) -> Any:
    """JSON from outside; its fractions become Decimal. Raises ValueError, whatever the bytes are."""
    if len(body) > longest:
        raise ValueError("too long")
    try:
        return json.loads(body, parse_float=Decimal)
    except RecursionError:
        raise ValueError("nested too deep") from None


def at(data: Any, *path: str) -> Any:
    """What stands at a path of objects in JSON; None where there is nothing."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def word(data: Any, *path: str, longest: int = 200) -> str:
    """The text or number at a path, as text; empty where there is none, or none that is plain printable ASCII."""
    value = at(data, *path)
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    written = str(value)
    return written if len(written) <= longest and _PLAIN.fullmatch(written) else ""


def to_decimal(amount_minor: int, currency: str) -> Decimal:
    """Minor units as units of the currency: 102000 KES is Decimal("1020.00"), 500 UGX is Decimal("500")."""
    return Decimal(amount_minor).scaleb(-get_currency_precision(currency))


def to_whole(amount_minor: int, currency: str) -> int | None:
    """Minor units as whole units of the currency; None when there is a fraction."""
    units, fraction = divmod(amount_minor, 10 ** get_currency_precision(currency))
    return None if fraction else units


def to_minor(value: Any, currency: str) -> int:
    """Units of the currency as a provider wrote them (text, integer or Decimal), in minor units.

    Raises ValueError when that is no amount of this currency: then nobody may act on it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > _LONGEST_AMOUNT:
        raise ValueError("no amount")
    if not _CURRENCY.fullmatch(currency):
        raise ValueError("no currency")
    try:
        units = Decimal(value)
    except InvalidOperation:
        raise ValueError("no amount") from None
    if not units.is_finite() or units.adjusted() > _LONGEST_AMOUNT:
        raise ValueError("no amount")
    minor = units.scaleb(get_currency_precision(currency))
    if minor != minor.to_integral_value():
        raise ValueError("a fraction of the smallest unit")
    return int(minor)


class Doors:
    """The addresses at which a provider that signs nothing calls us. Each holds a secret of its own.

    The secret is a keyed digest of what the address is for and whose it is: who learns one can speak of no other charge.
    `name` stands in the path, `key` is the deployment's.
    """

    def __init__(self, callback_base: str, name: str, key: str) -> None:
        self._base = f"{callback_base.rstrip('/')}/webhooks/payments/{name}"
        self._name = name
        self._key = key.encode()

    def address(self, kind: str, id_: str) -> str:
        """Where to call about one charge or refund."""
        return f"{self._base}/{self._secret(kind, id_)}/{id_}"

    def kind(self, callback: Callback, *kinds: str) -> str:
        """For which of these kinds the address was made that was called. Raises Forged when for none."""
        # as bytes: compare_digest refuses non-ASCII text, and a path may hold anything
        secret = callback.secret.encode("utf-8", "surrogatepass")
        for kind in kinds:
            if hmac.compare_digest(secret, self._secret(kind, callback.charge_id).encode()):
                return kind
        raise Forged

    def _secret(self, kind: str, id_: str) -> str:
        message = f"{self._name} {kind} {id_}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer: the HTTP status, and its JSON (an empty object where the body was empty)."""

    status: int
    data: Any = field(repr=False)

    def at(self, *path: str) -> Any:
        """What stands at a path of its JSON, or None."""
        return at(self.data, *path)

    def word(self, *path: str, longest: int = 200) -> str:
        """The plain text or number at a path of its JSON, or an empty text."""
        return word(self.data, *path, longest=longest)


class Token:
    """An OAuth access token, fetched when it is first needed and again before it ends. Safe to use from several threads.

    `fetch` asks for one; its answer has `access_token` and `expires_in` (seconds). Whatever goes wrong with that is
    NotTaken: the request that needed the token was never made.
    """

    def __init__(self, fetch: Callable[[], Answer], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._value = ""
        self._ends = 0.0

    def value(self) -> str:
        """A token that is still good. Raises NotTaken."""
        with self._lock:
            if not self._value or self._clock() >= self._ends:
                self._value = ""
                self._renew()
            return self._value

    def drop(self, value: str) -> None:
        """The provider refused this token: it is not used again (a newer one is)."""
        with self._lock:
            if self._value == value:
                self._value = ""

    def _renew(self) -> None:
        asked_at = self._clock()
        try:
            answer = self._fetch()
        except Unanswered:
            raise NotTaken("no_token") from None
        value, seconds = answer.word("access_token", longest=8000), answer.word("expires_in")
        if answer.status >= 400:
            raise NotTaken(f"token_http_{answer.status}", alarm=True)
        if not value or not seconds.isdecimal():
            raise NotTaken("no_token")
        self._value, self._ends = value, asked_at + int(seconds) * _UNTIL_RENEWED


class Caller:
    """One provider's API at `base_url`, asked with a patience of `timeout_seconds` to connect and again to read.

    `token_refused` says by which answer the provider turns a token away (nothing was done then). Redirects are not
    followed. Safe to use from several threads.
    """

    def __init__(
        self,
        base_url: str,
        timeout_seconds: float,
        token_refused: Callable[[Answer], bool] = lambda answer: answer.status == 401,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._token_refused = token_refused
        self._local = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: Token | None = None,
        basic: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        answers: Collection[int] = (),
    ) -> Answer:
        """Ask, and return the answer: 2xx and 4xx, less 401, 403, 408 and 429, and with whatever `answers` names besides.

        `body` is sent as JSON, `form` as a form; `token` as a bearer token, `basic` as user and password. A token that is
        turned away is dropped, and the request is made once more with a new one. Raises Unanswered and NotTaken.
        """
        for attempt in (1, 2):
            sent = dict(headers or {})
            bearer = token.value() if token else ""
            if bearer:
                sent["Authorization"] = f"Bearer {bearer}"
            response = self._send(method, path, headers=sent, auth=basic, params=query, json=body, data=form)
            answer = _read(response)
            if token and answer and self._token_refused(answer):
                token.drop(bearer)
                if attempt == 1:
                    continue
                raise NotTaken(f"http_{answer.status}", alarm=True)
            return _judged(response, answer, answers)
        raise AssertionError("the second attempt returns or raises")

    def _send(self, method: str, path: str, **parts: Any) -> requests.Response:
        try:
            return self._session().request(
                method, self._base_url + path, timeout=self._timeout_seconds, allow_redirects=False, **parts
            )
        except requests.ConnectTimeout:
            raise NotTaken("connect_timeout") from None
        except requests.ConnectionError as error:
            reason = getattr(error.args[0], "reason", None) if error.args else None
            if isinstance(reason, NewConnectionError):  # refused, or no such host: nothing was sent
                raise NotTaken("unreachable") from None
            raise Unanswered(type(error).__name__) from None
        except requests.RequestException as error:
            raise Unanswered(type(error).__name__) from None

    def _session(self) -> requests.Session:
        """This thread's connections; requests does not promise that one session serves several."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session


def _read(response: requests.Response) -> Answer | None:
    """The answer, or None when its body is no JSON."""
    if not response.content:
        return Answer(response.status_code, {})
    try:
        return Answer(response.status_code, read_json(response.content, LARGEST_ANSWER))
    except ValueError:
        return None


def _judged(response: requests.Response, answer: Answer | None, answers: Collection[int]) -> Answer:
    status = response.status_code
    if status in answers and answer:
        return answer
    if status == 429:
        raise NotTaken("http_429", _wait_asked_for(response.headers.get("Retry-After", "")))
    if status in {401, 403}:
        raise NotTaken(f"http_{status}", alarm=True)
    if status == 408 or not (200 <= status < 300 or 400 <= status < 500):
        raise Unanswered(f"http_{status}")
    if answer is None:
        raise Unanswered(f"http_{status}_unreadable")
    return answer


def _wait_asked_for(header: str) -> float:
    """Seconds of a Retry-After header; 0 for one that is missing, or is a date."""
    return min(float(header), LONGEST_WAIT) if header.isascii() and header.isdecimal() else 0.0
