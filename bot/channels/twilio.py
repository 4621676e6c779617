"""Twilio: texts in (signed), texts out (through the official client), and what became of them.

Sources: Twilio's "Messaging webhook request", "Track outbound message status", "Webhooks security" and error dictionary.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import requests
from twilio.base import values
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bot.channels import TIMEOUT, Forged, Form, Listed, Malformed, ReadTo, twilio_lists, wait_asked_for
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, SendFailed, Sent, Wish
from bot.parsing import tidy
from circulation.delivery_codes import Action, when_refused
from circulation.msisdn import Msisdn, from_provider

NAME = "twilio"
STATUS_PATH = "/sms/twilio/status"
CALLED_PATH = "/voice/twilio/called"
CALL_STATUS_PATH = "/voice/twilio/status"

RING_SECONDS = 40
LONGEST_CALL_SECONDS = 900
"""A call of ours is hung up after this, whoever holds the line."""

# Twilio itself answers these, sent alone, and blocks or has blocked the number (docs: Advanced Opt-Out).
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS = frozenset({"start", "yes", "unstop"})
WISHES: Mapping[str, Wish] = {"STOP": "stop", "START": "start"}  # by OptOutType; HELP it has answered, too

# Statuses not named here (accepted, scheduled, queued, sending, ...) tell us nothing new.
STATES: Mapping[str, Literal["sent", "delivered", "undelivered", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}

MOST_MEDIA = 10
"""Pictures and sounds in one MMS (docs: Message resource, MediaUrl)."""

Answer = TypeVar("Answer")
CALL_SID = re.compile(r"CA[0-9A-Za-z]{32}")
_MESSAGE_SID = re.compile(r"(SM|MM)[0-9A-Za-z]{32}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_OUTBOX_ID = re.compile(r"[1-9][0-9]{0,17}")
_ERROR_CODE = re.compile(r"[0-9]{1,6}")


class Twilio:
    """The Twilio account that the settings name. Safe to use from several threads."""

    name = NAME
    same_keys = True  # a message's SID is its name everywhere

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

        None: Twilio has answered by itself (HELP, where it is told to), or the sender is a short code or a name and no phone.
        Raises Forged, Malformed. `path_and_query` is what was called, as it came ("/sms/twilio").
        """
        self.verify(path_and_query, form, signature)
        key = form.get("MessageSid", "")
        if not _MESSAGE_SID.fullmatch(key):
            raise Malformed("MessageSid is missing or is no message's SID.")
        msisdn = _phone(form.get("From", ""))
        return _heard(key, msisdn, form.get("Body", ""), form.get("OptOutType", ""))

    def arrived(self, after: ReadTo) -> Sequence[Listed]:
        """The texts to our number since then, oldest first. Raises SendFailed when Twilio does not say."""
        listed = self._asked(lambda: twilio_lists.arrived(self._client(), self._from, after.at))
        return [
            Listed(
                str(one.sid),
                one.date_sent or after.at,
                _heard(str(one.sid), _phone(one.from_ or ""), one.body or "", ""),
            )
            for one in listed
            if _MESSAGE_SID.fullmatch(str(one.sid))
        ]

    def look_up(self, message: Outbound, since: float) -> Sequence[Sent]:
        """What we sent since then that may be this message, oldest first. Raises SendFailed when Twilio does not say."""
        return self._asked(lambda: twilio_lists.taken(self._client(), message, self._from, since))

    def receipt(self, path_and_query: str, form: Form, signature: str | None) -> Receipt | None:
        """What a status callback says of a message, or None when it says nothing new. Raises Forged, Malformed."""
        self.verify(path_and_query, form, signature)
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
        """Hand one text to Twilio, or have it call a phone; what is said follows when somebody answers.

        Raises SendFailed; the reason never quotes Twilio, whose sentences name the phone.
        """
        request, names = (self._call, CALL_SID) if message.form == "voice" else (self._text, _MESSAGE_SID)
        sid = str(self._asked(lambda: request(message)))
        if not names.fullmatch(sid):
            raise SendFailed("unknown", "unreadable")
        return Sent(sid)

    def _text(self, message: Outbound) -> object:
        # media make it an MMS; without any it goes as a text, whatever it was meant to be
        media = [enclosed.link for enclosed in message.enclosed if enclosed.kind != "page"][:MOST_MEDIA]
        return (
            self._client()
            .messages.create(
                to=message.msisdn.e164,
                from_=self._from,
                body=message.text,
                status_callback=f"{self._public_base_url}{STATUS_PATH}?id={message.id}",
                media_url=media or values.unset,
            )
            .sid
        )

    def _call(self, message: Outbound) -> object:
        return (
            self._client()
            .calls.create(
                to=message.msisdn.e164,
                from_=self._from,
                url=f"{self._public_base_url}{CALLED_PATH}?id={message.id}",
                status_callback=f"{self._public_base_url}{CALL_STATUS_PATH}?id={message.id}",
                machine_detection="Enable",
                timeout=RING_SECONDS,
                time_limit=LONGEST_CALL_SECONDS,
            )
            .sid
        )

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What Twilio answers, by its own client. Raises SendFailed."""
        try:
            return ask()
        except (TwilioRestException, TwilioServiceException) as refused:
            raise _refusal(refused.status, refused.code, self._mine.retry_after) from None
        except requests.ConnectTimeout:
            raise SendFailed("later", "connect_timeout") from None
        except requests.RequestException as error:
            raise SendFailed("unknown", type(error).__name__) from None
        except TwilioException:
            raise SendFailed("later", "list") from None  # the client has but this for a list that it did not get
        except (ValueError, TypeError, AttributeError):
            # 2xx with a body that the client could not read
            raise SendFailed("unknown", "unreadable") from None

    def verify(self, path_and_query: str, form: Form, signature: str | None) -> None:
        """Raises Forged unless our own account signed this form for this address."""
        # The address is ours from the settings, never the Host header's. The SDK fails on a missing signature.
        genuine = self._validator.validate(self._public_base_url + path_and_query, form, signature or "")
        if not genuine or form.get("AccountSid", "") != self._account_sid or times_signed(form, "From+") > 1:
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


def times_signed(form: Form, mark: str) -> int:
    """How often the signed text holds `mark`: "From+" names a sender's number.

    Twilio signs names and values joined without a mark between them: whoever learns one signature can cut a text that
    holds "From+254..." into other fields, under another sender, and it still verifies. So "From+" may stand there once.
    """
    return "".join(name + value for name in sorted(form) for value in form.getlist(name)).count(mark)


def _phone(sender: str) -> Msisdn | None:
    """Whose phone a text came from; None for a short code or a name."""
    return from_provider(sender) if _E164.fullmatch(sender) else None


def _heard(key: str, sender: Msisdn | None, body: str, opted: str) -> Inbound | None:
    """A text to us, by webhook or from the list; None when it must not be answered.

    Twilio obeys opt-out and opt-in words by itself. With `opted` (OptOutType) it has answered them as well, whatever they are.
    """
    if sender is None or (opted and opted not in WISHES):
        return None
    if opted:
        return Inbound(NAME, "sms", key, sender, "", wish=WISHES[opted])
    word = body.strip().lower()
    wish: Wish = "stop" if word in STOP_WORDS else "start" if word in START_WORDS else ""
    return Inbound(NAME, "sms", key, sender, tidy(body), wish=wish)


def _refusal(status: int, code: object, retry_after: float) -> SendFailed:
    policy: Action = "later"
    if isinstance(code, int):
        policy = when_refused(NAME, str(code))
    if policy == "later":
        if status == requests.codes.too_many_requests:
            policy = "slow"
        elif status in {401, 403}:
            policy = "alarm"
    return SendFailed("later" if status >= 500 else policy, str(code)[:20], retry_after)
