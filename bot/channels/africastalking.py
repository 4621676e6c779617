"""Africa's Talking: USSD dialogs, texts in and out, and what became of them.

It does not sign its requests: the last part of each webhook's path is a secret. Sources: its documentation of USSD, SMS
sending and delivery reports; figures and words that may change stand in the tables below.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests

from bot.channels import TIMEOUT, Forged, Form, Malformed, wait_asked_for
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, Reply, SendFailed, Sent
from bot.parsing import tidy
from circulation.msisdn import Msisdn, from_provider

NAME = "africastalking"
Policy = Literal["later", "unknown", "never", "alarm"]

TAKEN = frozenset({100, 101, 102})  # Processed, Sent, Queued

# The other codes of a recipient in the answer to a send. An unknown one is tried again, as at Twilio.
POLICIES: Mapping[int, Policy] = {
    401: "alarm",  # RiskHold
    402: "alarm",  # InvalidSenderId
    403: "never",  # InvalidPhoneNumber
    404: "never",  # UnsupportedNumberType
    405: "alarm",  # InsufficientBalance
    406: "never",  # UserInBlacklist
    407: "later",  # CouldNotRoute
    409: "never",  # DoNotDisturbRejection
    500: "later",  # InternalServerError
    501: "later",  # GatewayError
    502: "later",  # RejectedByGateway
}

# A send refused as a whole names no recipient, only one of these words.
REFUSED: Mapping[str, Policy] = {"InvalidSenderId": "alarm", "InsufficientBalance": "alarm"}

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
            policy: Policy = "alarm" if answer.status_code in {401, 403} else "later"
            raise SendFailed(policy, f"http_{answer.status_code}", wait_asked_for(answer.headers.get("Retry-After")))
        return _taken(answer)

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
            raise SendFailed(REFUSED.get(word, "later"), word if word in REFUSED else "refused")
        code, message_id = (int(recipients[0]["statusCode"]), str(recipients[0].get("messageId")))
    except (ValueError, TypeError, KeyError, AttributeError, LookupError):
        raise SendFailed("unknown", "unreadable") from None
    if code not in TAKEN:
        raise SendFailed(POLICIES.get(code, "later"), str(code))
    named = message_id != "None" and _IDENTITY.fullmatch(message_id)
    return Sent(message_id if named else "")


def _identity(form: Form, field: str, *, accept: bool = False) -> str:
    value = form.get(field, "")
    if not _IDENTITY.fullmatch(value):
        raise Malformed(f"{field} is missing or unusable.", accept=accept)
    return value


def _word(value: str) -> str:
    """One of the provider's own words, or nothing: what else may stand there is not kept."""
    return value if _WORD.fullmatch(value) else ""
