"""A feature phone and the network behind it, as the product meets them: over HTTP, by its public webhooks alone.

Promise: what a `Handset` sends has the shape real providers send (Twilio's signed form for a text, Africa's Talking's
forms for a text and for every USSD turn), so whatever works from here works from a real phone. The browser phones,
the terminal phone and the tests all speak through this file; it knows nothing of Flask or of Redis.

Field names: https://www.twilio.com/docs/messaging/guides/webhook-request and
https://developers.africastalking.com/docs (USSD "handle sessions", SMS "incoming messages").
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import uuid4

import requests
from twilio.request_validator import RequestValidator

from bot.config import Settings
from bot.fitting import segments

Carrier = Literal["twilio", "africastalking"]
"""Who carries a phone's texts. USSD always comes by Africa's Talking."""

ANSWER_SECONDS = 10
"""An application that has not answered a USSD turn by then has lost it (Africa's Talking, USSD overview)."""

SANDBOX_NETWORK = "99999"
"""Africa's Talking's networkCode of its own sandbox: no operator's name is borrowed."""

SANDBOX_SHORT_CODE = "22384"
"""Where texts by Africa's Talking go when the settings name no short code."""


class NetworkFault(Exception):
    """The product did not answer as a network needs it to; `status` is its HTTP status, 0 when there was no answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class NoDialog(Exception):
    """There is nothing to answer or to repeat: no dialog is open, or nothing was sent yet."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What a USSD turn shows. `more`: the dialog waits for an answer (`CON`); otherwise it is over (`END`)."""

    text: str
    more: bool

    @classmethod
    def read(cls, reply: str) -> Self:
        """The screen in an application's reply. Raises NetworkFault where a real network would drop the dialog."""
        prefix, _, text = reply.partition(" ")
        if prefix not in ("CON", "END"):
            raise NetworkFault("the product answered neither CON nor END", 200)
        return cls(text, more=prefix == "CON")


@dataclass(frozen=True, slots=True)
class Form:
    """One request of a provider to a webhook, kept whole so that it can be sent again exactly as it was."""

    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Dialog:
    """An open USSD session as the network remembers it. `started` is in seconds since the epoch."""

    session: str
    started: float
    inputs: list[str] = field(default_factory=list)
    last_reply: str = ""
    faulted: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values; `Dialog(**values)` brings it back, in whichever process answers next."""
        return asdict(self)


class Network:
    """The providers' side of the webhooks: forms filled, signed and posted.

    Requests go to `base` (unset: this machine, at the settings' port); signatures are made for the public address,
    because that is the one the product checks them against.
    """

    def __init__(self, settings: Settings, base: str = "") -> None:
        self.settings = settings
        self.base = base or f"http://127.0.0.1:{settings.port}"
        self._validator = RequestValidator(settings.twilio_auth_token.get_secret_value())

    def handset(self, msisdn: str, carrier: Carrier = "twilio", dialog: Dialog | None = None) -> "Handset":
        """The phone with that number (E.164), in the middle of `dialog` if one is given."""
        return Handset(self, msisdn, carrier, dialog)

    def twilio(self, path: str, fields: Mapping[str, str]) -> Form:
        """A form as Twilio posts it, signed; `path` may carry a query."""
        signature = self._validator.compute_signature(self.settings.public_base_url + path, dict(fields))
        return Form(path, fields, {"X-Twilio-Signature": signature})

    def africastalking(self, door: Literal["sms", "ussd"], fields: Mapping[str, str], event: str = "") -> Form:
        """A form as Africa's Talking posts it: unsigned, at a secret path; `event` is `/end`, `/delivery` or nothing."""
        secret = self.settings.africastalking_secret.get_secret_value()
        return Form(f"/{door}/africastalking/{secret}{event}", fields)

    def post(self, form: Form) -> str:
        """The product's answer to a form. Raises NetworkFault when it is missing, late or not a 2xx."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy meant for the outside world must not see these
            try:
                response = session.post(
                    self.base + form.path,
                    data=form.fields,
                    headers=form.headers,
                    timeout=ANSWER_SECONDS,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise NetworkFault(f"the product did not answer ({type(error).__name__})") from None
        if not response.ok or response.is_redirect:
            raise NetworkFault(f"the product answered {response.status_code}", response.status_code)
        response.encoding = "utf-8"
        return response.text


class Handset:
    """One phone: it dials the service, answers, hangs up, and texts. One thread at a time, like a thumb."""

    def __init__(self, network: Network, msisdn: str, carrier: Carrier, dialog: Dialog | None = None) -> None:
        self.msisdn = msisdn
        self.carrier: Carrier = carrier
        self.dialog = dialog
        self._network = network
        self._settings = network.settings
        self._last: Form | None = None
        self._last_was_ussd = False

    def dial(self) -> Screen:
        """Dial the service code and read the first screen; an open dialog is hung up first. Raises NetworkFault."""
        if self.dialog:
            self.hang_up()
        self.dialog = Dialog(session=f"ATUid_{uuid4().hex}", started=time.time())
        return self._take_turn(self.dialog)

    def answer(self, text: str) -> Screen:
        """Answer the open dialog. Raises NoDialog, or NetworkFault: then the dialog stays open for `repeat`."""
        if self.dialog is None:
            raise NoDialog("no dialog is open")
        self.dialog.inputs.append(text)
        return self._take_turn(self.dialog)

    def hang_up(self) -> None:
        """Press the red key: the network tells the product that the session ended. Nothing happens without a dialog."""
        if self.dialog:
            self._end(self.dialog, "Failed" if self.dialog.faulted else "Incomplete")

    def text(self, body: str) -> str:
        """Text the service; returns the provider's name of the message. Raises NetworkFault."""
        write = self._twilio_text if self.carrier == "twilio" else self._africastalking_text
        form, message_id = write(body)
        self._last, self._last_was_ussd = form, False
        self._network.post(form)
        return message_id

    def repeat(self) -> Screen | None:
        """Send the last turn or text once more, byte for byte, as networks do when an answer got lost.

        Returns the screen of a USSD turn, None for a text. Raises NoDialog when nothing was sent, and NetworkFault.
        """
        if self._last is None:
            raise NoDialog("nothing was sent yet")
        if self._last_was_ussd:
            return self._exchange(self._last)
        self._network.post(self._last)
        return None

    def _take_turn(self, dialog: Dialog) -> Screen:
        fields = self._session_fields(dialog) | {"text": "*".join(dialog.inputs)}
        self._last, self._last_was_ussd = self._network.africastalking("ussd", fields), True
        return self._exchange(self._last)

    def _exchange(self, form: Form) -> Screen:
        try:
            reply = self._network.post(form)
            screen = Screen.read(reply)
        except NetworkFault:
            if self.dialog:
                self.dialog.faulted = True
            raise
        if self.dialog:
            self.dialog.last_reply, self.dialog.faulted = reply, False
            if not screen.more:
                self._end(self.dialog, "Success")
        return screen

    def _end(self, dialog: Dialog, status: Literal["Success", "Incomplete", "Failed"]) -> None:
        fields = self._session_fields(dialog) | {
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            "status": status,
            "cost": "0",
            "durationInMillis": str(int((time.time() - dialog.started) * 1000)),
            "hopsCount": str(len(dialog.inputs) + 1),
            "input": "*".join(dialog.inputs),
            "lastAppResponse": dialog.last_reply,
        }
        if status == "Failed":
            fields["errorMessage"] = "The application did not answer as it should."
        self.dialog = None
        # the news of an end is sent once; if it is lost, it is lost, as in the real network
        with suppress(NetworkFault):
            self._network.post(self._network.africastalking("ussd", fields, "/end"))

    def _session_fields(self, dialog: Dialog) -> dict[str, str]:
        return {
            "sessionId": dialog.session,
            "phoneNumber": self.msisdn,
            "networkCode": SANDBOX_NETWORK,
            "serviceCode": self._settings.service_code,
        }

    def _twilio_text(self, body: str) -> tuple[Form, str]:
        sid = f"SM{uuid4().hex}"
        fields = {
            "ToCountry": "",
            "ToState": "",
            "ToCity": "",
            "ToZip": "",
            "FromCountry": self._settings.country,
            "FromState": "",
            "FromCity": "",
            "FromZip": "",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "MessageSid": sid,
            "AccountSid": self._settings.twilio_account_sid,
            "From": self.msisdn,
            "To": self._settings.twilio_from,
            "Body": body,
            "NumMedia": "0",
            "NumSegments": str(segments(body)),
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        }
        return self._network.twilio("/sms/twilio", fields), sid

    def _africastalking_text(self, body: str) -> tuple[Form, str]:
        message_id = str(uuid4())
        fields = {
            "id": message_id,
            "linkId": str(uuid4()),
            "from": self.msisdn,
            "to": self._settings.africastalking_from or SANDBOX_SHORT_CODE,
            "text": body,
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            "networkCode": SANDBOX_NETWORK,
        }
        return self._network.africastalking("sms", fields), message_id
