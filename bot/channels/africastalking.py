"""Africa's Talking: USSD dialogs, texts in and out, and what became of them.

It does not sign its requests: the last part of each webhook's path is a secret. Sources: its documentation of USSD, SMS
sending and delivery reports; figures and words that may change stand in the tables below.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import requests

from bot.channels import TIMEOUT, Forged, Form, Listed, Malformed, ReadTo, wait_asked_for
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, Reply, SendFailed, Sent
from bot.parsing import tidy
from circulation.delivery_codes import AFRICASTALKING, when_refused
from circulation.msisdn import Msisdn, from_provider

NAME = "africastalking"

MOST_PAGES = 20
"""Pages of its list read at once; the next time goes on from there."""
TAKEN = frozenset({100, 101, 102})  # Processed, Sent, Queued

# Statuses of delivery reports. Those not named here tell us nothing new.
STATES: Mapping[str, Literal["sent", "delivered", "undelivered", "failed"]] = {
    "Submitted": "sent",
    "Buffered": "sent",
    "Sent": "sent",
    "Success": "delivered",
    "Expired": "undelivered",
    "AbsentSubscriber": "undelivered",
    "Failed": "failed",
    "Rejected": "failed",
}

_IDENTITY = re.compile(r"[!-~]{1,100}")  # ids of sessions and messages: short, printable, no blanks
_WORD = re.compile(r"[A-Za-z]{1,40}")


@dataclass(frozen=True, slots=True)
class Ended:
    """The network closed a USSD session. `status` is the session's end (Success, Incomplete, Failed), not a purchase's."""

    session: str
    msisdn: Msisdn | None
    status: str


class AfricasTalking:
    """The Africa's Talking application that the settings name. Safe to use from several threads."""

    name = NAME
    # Its documentation shows short numbers in the list and other ids in the webhook, and does not say that they are the same.
    same_keys = False

    def __init__(self, settings: Settings) -> None:
        self._username = settings.africastalking_username
        self._api_key = settings.africastalking_api_key.get_secret_value()
        self._secret = settings.africastalking_secret.get_secret_value().encode()
        self._from = settings.africastalking_from
        self._send_url = settings.africastalking_api_base.rstrip("/") + "/version1/messaging"
        self._digest_key = settings.giftline_secret_key.get_secret_value().encode()
        self._sessions = threading.local()

    def ussd(self, secret: str, form: Form) -> Inbound:
        """One hop of a USSD dialog. Raises Forged, Malformed.

        A hop has no id of its own: its key is the session, how many inputs there were, and a digest of them. The digest
        is keyed, because the inputs hold PINs.
        """
        self._verify(secret)
        session = _identity(form, "sessionId")
        msisdn = from_provider(form.get("phoneNumber", ""))
        if msisdn is None:
            raise Malformed("phoneNumber is missing or is no phone's number.")
        text = "*".join(tidy(part) for part in form.get("text", "").split("*"))
        position = text.count("*") + 1 if text else 0
        digest = hmac.new(self._digest_key, b"ussd hop " + text.encode(), hashlib.sha256).hexdigest()[:16]
        return Inbound(NAME, "ussd", f"{session}:{position}:{digest}", msisdn, text, session)

    def ended(self, secret: str, form: Form) -> Ended:
        """The end of a USSD session. Raises Forged, Malformed."""
        self._verify(secret)
        session = _identity(form, "sessionId")
        return Ended(session, from_provider(form.get("phoneNumber", "")), _word(form.get("status", "")))

    def sms(self, secret: str, form: Form) -> Inbound | None:
        """The text that was posted, or None when its sender is no phone that could be answered. Raises Forged, Malformed."""
        self._verify(secret)
        key = _identity(form, "id", accept=True)
        msisdn = from_provider(form.get("from", ""))
        return None if msisdn is None else Inbound(NAME, "sms", key, msisdn, tidy(form.get("text", "")))

    def opted_out(self, secret: str, form: Form) -> Msisdn | None:
        """Who told the network that they take no more texts from us; None when it is no phone. Raises Forged."""
        self._verify(secret)
        return from_provider(form.get("phoneNumber", ""))

    def delivery(self, secret: str, form: Form) -> Receipt | None:
        """What a delivery report says of a message, or None when it says nothing new. Raises Forged, Malformed."""
        self._verify(secret)
        provider_id = _identity(form, "id", accept=True)
        state = STATES.get(form.get("status", ""))
        if state is None:
            return None
        return Receipt(NAME, provider_id, 0, state, _word(form.get("failureReason", "")))

    def send(self, message: Outbound) -> Sent:
        """Hand one text to Africa's Talking. Raises SendFailed."""
        form = {"username": self._username, "to": message.msisdn.e164, "message": message.text}
        if self._from:
            form["from"] = self._from
        try:
            answer = self._session().post(self._send_url, data=form, timeout=TIMEOUT, allow_redirects=False)
        except requests.ConnectTimeout:
            raise SendFailed("later", "connect_timeout") from None
        except requests.RequestException as error:
            raise SendFailed("unknown", type(error).__name__) from None
        if not answer.ok or answer.is_redirect:
            raise _refusal(f"http_{answer.status_code}", wait_asked_for(answer.headers.get("Retry-After")))
        return _taken(answer)

    def arrived(self, after: ReadTo) -> Sequence[Listed]:
        """The texts to us after the one of that name, oldest first. Raises SendFailed when it does not say."""
        found: list[Listed] = []
        number = after.key or "0"
        for _ in range(MOST_PAGES):
            page = _messages(self._list(number), after.at)
            found += page
            if not page:
                break
            number = page[-1].key
        return found

    def _list(self, number: str) -> requests.Response:
        """The page of its list after the text of this number. Raises SendFailed."""
        query = {"username": self._username, "lastReceivedId": number}
        try:
            answer = self._session().get(self._send_url, params=query, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise SendFailed("later", type(error).__name__) from None
        if not answer.ok or answer.is_redirect:
            raise _refusal(f"http_{answer.status_code}")
        return answer

    def _verify(self, secret: str) -> None:
        # as bytes: compare_digest refuses non-ASCII text, and a path may hold anything
        if not hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._secret):
            raise Forged

    def _session(self) -> requests.Session:
        """This thread's connections; requests does not promise that one session serves several."""
        if not hasattr(self._sessions, "session"):
            session = requests.Session()
            session.headers.update({"apikey": self._api_key, "Accept": "application/json"})
            self._sessions.session = session
        kept: requests.Session = self._sessions.session
        return kept


def render(reply: Reply) -> str:
    """A reply as a USSD answer: CON keeps the dialog open, END closes it."""
    return f"{'CON' if reply.more else 'END'} {reply.text}"


def _taken(answer: requests.Response) -> Sent:
    """What a 2xx answer to a send says. Raises SendFailed; when it is unreadable the text may have been taken."""
    try:
        data: Any = answer.json()["SMSMessageData"]
        recipients, word = data["Recipients"], str(data.get("Message", ""))
        if not recipients:
            raise _refusal(word if word in AFRICASTALKING else "refused")
        code, message_id = (int(recipients[0]["statusCode"]), str(recipients[0].get("messageId")))
    except (ValueError, TypeError, KeyError, AttributeError, LookupError):
        raise SendFailed("unknown", "unreadable") from None
    if code not in TAKEN:
        raise _refusal(str(code))
    named = message_id != "None" and _IDENTITY.fullmatch(message_id)
    return Sent(message_id if named else "")


def _messages(answer: requests.Response, since: datetime) -> list[Listed]:
    """A page of its list. Raises SendFailed when it cannot be read."""
    try:
        entries = answer.json()["SMSMessageData"]["Messages"]
        return [_listed(str(entry["id"]), entry, since) for entry in entries if _IDENTITY.fullmatch(str(entry["id"]))]
    except (ValueError, TypeError, KeyError, AttributeError, LookupError):
        raise SendFailed("later", "unreadable") from None


def _listed(key: str, entry: Mapping[str, Any], since: datetime) -> Listed:
    sender = from_provider(str(entry.get("from", "")))
    words = tidy(str(entry.get("text", "")))
    try:
        at = datetime.fromisoformat(str(entry.get("date", "")))
    except ValueError:
        at = since
    inbound = None if sender is None else Inbound(NAME, "sms", key, sender, words)
    return Listed(key, at if at.tzinfo else at.replace(tzinfo=UTC), inbound)


def _refusal(code: str, retry_after: float = 0) -> SendFailed:
    return SendFailed(when_refused(NAME, code), code, retry_after)


def _identity(form: Form, field: str, *, accept: bool = False) -> str:
    value = form.get(field, "")
    if not _IDENTITY.fullmatch(value):
        raise Malformed(f"{field} is missing or unusable.", accept=accept)
    return value


def _word(value: str) -> str:
    """One of the provider's own words, or nothing: what else may stand there is not kept."""
    return value if _WORD.fullmatch(value) else ""
