"""Kannel: texts in and out through the operator's own gateway, over its HTTP interface, and what became of them.

Kannel calls us by GET and signs nothing: the last part of each path is a secret. Source: Kannel's user guide, "Setting up
an SMS gateway" (sendsms, sms-service, delivery reports); its answers are those of version 1.4.5. How it is set up stands in
docs/gateways.md.
"""

import hmac
import re
import threading
from collections.abc import Mapping
from typing import Literal
from urllib.parse import parse_qsl

import requests
from urllib3.exceptions import NewConnectionError

from bot.channels import TIMEOUT, Forged, Malformed, wait_asked_for
from bot.config import Settings
from bot.fitting import encoding
from bot.messages import Inbound, Outbound, Receipt, SendFailed, Sent
from bot.parsing import tidy
from circulation.delivery_codes import when_refused
from circulation.msisdn import from_provider

NAME = "kannel"

TAKEN = 202
"""Accepted ("0: Accepted for delivery") or kept until the network is back ("3: Queued for later delivery")."""

# One status says two things; how the answer begins tells them apart. What is done about each stands in delivery_codes.
REASONS: Mapping[tuple[int, str], str] = {
    (403, "Not routable"): "not_routable",
    (400, "Number(s) has/have been denied"): "denied",
}

DELIVERED, UNDELIVERED, BUFFERED, SUBMITTED, REJECTED = 1, 2, 4, 8, 16
REPORTS = DELIVERED | UNDELIVERED | BUFFERED | SUBMITTED | REJECTED
"""The reports that are asked for (dlr-mask)."""
STATES: Mapping[int, Literal["sent", "delivered", "undelivered", "failed"]] = {
    DELIVERED: "delivered",
    UNDELIVERED: "undelivered",
    BUFFERED: "sent",
    SUBMITTED: "sent",
    REJECTED: "failed",
}

_GSM7, _UCS2 = "0", "2"  # Kannel's `coding`
_MESSAGE_ID = re.compile(r"[0-9a-fA-F-]{36}")
_OUTBOX_ID = re.compile(r"[1-9][0-9]{0,17}")
_STATE = re.compile(r"[0-9]{1,3}")


class Kannel:
    """The Kannel that the settings name. Safe to use from several threads."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self._url = settings.kannel_url
        self._user = {"username": settings.kannel_username, "password": settings.kannel_password.get_secret_value()}
        self._from = {"from": settings.kannel_from} if settings.kannel_from else {}
        self._secret = settings.kannel_secret.get_secret_value()
        self._public_base_url = settings.public_base_url
        self._mine = threading.local()

    def receive(self, secret: str, query: bytes) -> Inbound | None:
        """The text in what Kannel called, or None when its sender is no phone that could be answered.

        `query` is what came after the question mark: text in UCS-2 is bytes there, which are no UTF-8. Raises Forged,
        Malformed.
        """
        fields = self._fields(secret, query)
        key = fields.get("id", "")
        if not _MESSAGE_ID.fullmatch(key):
            raise Malformed("id is missing or is no message's id.", accept=True)
        msisdn = from_provider(fields.get("from", ""))
        if msisdn is None:
            return None
        alphabet = "utf-16-be" if fields.get("coding", "") == _UCS2 else "utf-8"
        words = fields.get("text", "").encode("latin-1").decode(alphabet, "replace")
        return Inbound(NAME, "sms", key, msisdn, tidy(words))

    def delivery(self, secret: str, query: bytes) -> Receipt | None:
        """What a delivery report says of a message, or None when it says nothing new. Raises Forged, Malformed."""
        fields = self._fields(secret, query)
        row, said = fields.get("id", ""), fields.get("state", "")
        if not _OUTBOX_ID.fullmatch(row):
            raise Malformed("id is missing or is no message of ours.", accept=True)
        state = STATES.get(int(said)) if _STATE.fullmatch(said) else None
        if state is None:
            return None
        return Receipt(NAME, "", int(row), state, said if state in {"undelivered", "failed"} else "")

    def send(self, message: Outbound) -> Sent:
        """Hand one text to Kannel, which has no name for it: its reports name our row. Raises SendFailed."""
        report_to = f"{self._public_base_url}/sms/kannel/{self._secret}/delivery?id={message.id}&state=%d"
        query = {
            **self._user,
            **self._from,
            "to": message.msisdn.e164,
            **_worded(message.text),
            "dlr-mask": str(REPORTS),
            "dlr-url": report_to,
        }
        try:
            answer = self._session().get(self._url, params=query, timeout=TIMEOUT, allow_redirects=False)
        except requests.ConnectTimeout:
            raise SendFailed("later", "connect_timeout") from None
        except requests.ConnectionError as error:
            if _never_connected(error):
                raise SendFailed("later", "not_connected") from None
            raise SendFailed("unknown", type(error).__name__) from None
        except requests.RequestException as error:
            raise SendFailed("unknown", type(error).__name__) from None
        if answer.status_code != TAKEN:
            retry_after = wait_asked_for(answer.headers.get("Retry-After"))
            raise SendFailed(when_refused(NAME, _code(answer)), _code(answer), retry_after)
        return Sent("")

    def _fields(self, secret: str, query: bytes) -> dict[str, str]:
        """The query's fields, each byte as the character of that number. Raises Forged, Malformed."""
        ours = self._secret.encode()
        # without a secret of ours there is no Kannel, and no request of its
        if not ours or not hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), ours):
            raise Forged
        try:
            return dict(parse_qsl(query.decode("latin-1"), True, encoding="latin-1", max_num_fields=20))
        except ValueError:
            raise Malformed("There are more fields than Kannel was told to send.", accept=True) from None

    def _session(self) -> requests.Session:
        """This thread's connections; requests does not promise that one session serves several."""
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
        kept: requests.Session = self._mine.session
        return kept


def _worded(text: str) -> dict[str, str | bytes]:
    """A text as Kannel takes it. UCS-2 goes as the bytes that the phone gets: not every Kannel can convert to it."""
    if encoding(text) == "gsm7":
        return {"text": text, "coding": _GSM7, "charset": "UTF-8"}
    return {"text": text.encode("utf-16-be", "surrogatepass"), "coding": _UCS2}


def _never_connected(error: requests.ConnectionError) -> bool:
    """Whether nothing was sent, because nobody listens there."""
    return bool(error.args) and isinstance(getattr(error.args[0], "reason", None), NewConnectionError)


def _code(answer: requests.Response) -> str:
    fits = (
        code
        for (status, words), code in REASONS.items()
        if answer.status_code == status and answer.text.startswith(words)
    )
    return next(fits, f"http_{answer.status_code}")
