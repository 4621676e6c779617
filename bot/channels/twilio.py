"""Twilio: texts in (signed), texts out (through the official client), and what became of them.

Sources: Twilio's "Messaging webhook request", "Track outbound message status", "Webhooks security" and error dictionary.
"""

import logging
import re
import threading
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import requests
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bot.channels import TIMEOUT, Forged, Form, Malformed, wait_asked_for
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, SendFailed, Sent
from bot.parsing import tidy
from circulation.msisdn import from_provider

NAME = "twilio"
STATUS_PATH = "/sms/twilio/status"

# Twilio itself answers these, sent alone, and blocks or has blocked the number (docs: Advanced Opt-Out).
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})

# Statuses not named here (accepted, scheduled, queued, sending, ...) tell us nothing new.
STATES: Mapping[str, Literal["sent", "delivered", "undelivered", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}

# What to do about Twilio's error codes (its error dictionary). An unknown one is tried again: a refusal repeated a few
# times costs nothing, a passing fault taken for a refusal loses a message.
POLICIES: Mapping[int, Literal["later", "never", "alarm"]] = {
    21211: "never",  # not a phone number
    21612: "never",  # cannot be reached from this number
    21614: "never",  # not a mobile
    21610: "never",  # the person texted STOP
    30004: "never",  # blocked
    30005: "never",  # unknown handset
    30006: "never",  # landline or unreachable carrier
    30007: "never",  # filtered as spam
    14107: "later",  # sending too fast
    20429: "later",
    21611: "later",  # the sender's queue is full
    30001: "later",
    30003: "later",  # the handset is off
    30008: "later",  # unknown
    20003: "alarm",  # wrong credentials
    21408: "alarm",  # this country is not switched on
    21606: "alarm",  # our number cannot send texts
    21608: "alarm",  # a trial account may only text verified numbers
    21609: "alarm",  # the status callback's address is refused
    21617: "alarm",  # longer than 1600 characters
    21620: "alarm",  # a bad media address
    30002: "alarm",  # the account is suspended
}

_MESSAGE_SID = re.compile(r"(SM|MM)[0-9A-Za-z]{32}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_OUTBOX_ID = re.compile(r"[1-9][0-9]{0,17}")
_ERROR_CODE = re.compile(r"[0-9]{1,6}")


class Twilio:
    """The Twilio account that the settings name. Safe to use from several threads."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self._account_sid = settings.twilio_account_sid
        self._auth_token = settings.twilio_auth_token.get_secret_value()
        self._from = settings.twilio_from
        self._api_base = settings.twilio_api_base
        self._public_base_url = settings.public_base_url
        self._validator: Any = RequestValidator(self._auth_token)
        self._mine = threading.local()
        # At INFO the client's own logger writes requests out.
        logging.getLogger("twilio.http_client").setLevel(logging.WARNING)

    def receive(self, path_and_query: str, form: Form, signature: str | None) -> Inbound | None:
        """The text that Twilio posted, or None when it must not be answered.

        None: Twilio has answered by itself (opt-out words), or the sender is a short code or a name and no phone.
        Raises Forged, Malformed. `path_and_query` is what was called, as it came ("/sms/twilio").
        """
        self._verify(path_and_query, form, signature)
        key = form.get("MessageSid", "")
        if not _MESSAGE_SID.fullmatch(key):
            raise Malformed("MessageSid is missing or is no message's SID.")
        sender = form.get("From", "")
        msisdn = from_provider(sender) if _E164.fullmatch(sender) else None
        body = form.get("Body", "")
        if msisdn is None or form.get("OptOutType", "") or body.strip().lower() in STOP_WORDS:
            return None
        return Inbound(NAME, "sms", key, msisdn, tidy(body))

    def receipt(self, path_and_query: str, form: Form, signature: str | None) -> Receipt | None:
        """What a status callback says of a message, or None when it says nothing new. Raises Forged, Malformed."""
        self._verify(path_and_query, form, signature)
        provider_id = form.get("MessageSid", "")
        if not _MESSAGE_SID.fullmatch(provider_id):
            raise Malformed("MessageSid is missing or is no message's SID.")
        state = STATES.get(form.get("MessageStatus", ""))
        if state is None:
            return None
        row = parse_qs(urlsplit(path_and_query).query).get("id", [""])[0]
        code = form.get("ErrorCode", "")
        return Receipt(
            provider=NAME,
            provider_id=provider_id,
            outbox_id=int(row) if _OUTBOX_ID.fullmatch(row) else 0,
            state=state,
            error_code=code if _ERROR_CODE.fullmatch(code) else "",
        )

    def send(self, message: Outbound) -> Sent:
        """Hand one text to Twilio. Raises SendFailed; the reason never quotes Twilio, whose sentences name the phone."""
        try:
            taken = self._client().messages.create(
                to=message.msisdn.e164,
                from_=self._from,
                body=message.text,
                status_callback=f"{self._public_base_url}{STATUS_PATH}?id={message.id}",
            )
        except (TwilioRestException, TwilioServiceException) as refused:
            raise _refusal(refused.status, refused.code, self._mine.retry_after) from None
        except requests.ConnectTimeout:
            raise SendFailed("later", "connect_timeout") from None
        except requests.RequestException as error:
            raise SendFailed("unknown", type(error).__name__) from None
        except (ValueError, TypeError, AttributeError):
            # 2xx with a body that the client could not read
            raise SendFailed("unknown", "unreadable") from None
        if not _MESSAGE_SID.fullmatch(str(taken.sid)):
            raise SendFailed("unknown", "unreadable")
        return Sent(str(taken.sid))

    def _verify(self, path_and_query: str, form: Form, signature: str | None) -> None:
        """Raises Forged unless our own account signed this form for this address."""
        # The address is ours from the settings, never the Host header's. The SDK fails on a missing signature.
        genuine = self._validator.validate(self._public_base_url + path_and_query, form, signature or "")
        if not genuine or form.get("AccountSid", "") != self._account_sid or _senders(form) > 1:
            raise Forged

    def _client(self) -> Client:
        """This thread's client. The SDK keeps the last response on the client, so two threads would swap theirs."""
        if not hasattr(self._mine, "client"):
            http = TwilioHttpClient(request_hooks={"response": self._note_retry_after})
            http.timeout = TIMEOUT  # it has none of its own; requests takes the pair as it is
            self._mine.client = Client(self._account_sid, self._auth_token, http_client=http)
            self._mine.client.api.base_url = self._api_base
        return self._mine.client

    def _note_retry_after(self, response: requests.Response, **_: object) -> None:
        """Keep what the SDK's exceptions leave out."""
        self._mine.retry_after = wait_asked_for(response.headers.get("Retry-After"))


def _senders(form: Form) -> int:
    """How often the signed text names a sender's number.

    Twilio signs names and values joined without a mark between them: whoever learns one signature can cut a text that
    holds "From+254..." into other fields, under another sender, and it still verifies. So "From+" may stand there once.
    """
    return "".join(name + value for name in sorted(form) for value in form.getlist(name)).count("From+")


def _refusal(status: int, code: object, retry_after: float) -> SendFailed:
    if status == requests.codes.too_many_requests or status >= 500:
        return SendFailed("later", str(code)[:20], retry_after)
    known = POLICIES.get(code) if isinstance(code, int) else None
    if known is None:
        known = "alarm" if status in {401, 403} else "later"
    return SendFailed(known, str(code)[:20], retry_after)
