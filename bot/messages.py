"""Plain values that travel between the doors, the engine and the worker. They do nothing."""

from dataclasses import dataclass
from typing import Literal

from circulation.msisdn import Msisdn

Channel = Literal["sms", "ussd"]


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from a phone, already verified and tidied by its provider's file.

    `key` is the provider's own identity of the message: an exact repeat has the same key and gets the same reply.
    For USSD `text` is the whole transcript of the session as the network repeats it, inputs joined by `*`.
    """

    provider: str
    channel: Channel
    key: str
    msisdn: Msisdn
    text: str
    session: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person reads. `more`: the dialog stays open (USSD `CON`). `secret`: it shows a code, so it is kept sealed."""

    text: str
    more: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Outbound:
    """One text to a phone, as the worker hands it to a provider. `id` is our outbox row; `attempt` is its fence."""

    id: int
    attempt: int
    provider: str
    msisdn: Msisdn
    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the message. `provider_id` is the provider's name for it."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider later says of a message. `outbox_id` when the callback named our row, else 0."""

    provider: str
    provider_id: str
    outbox_id: int
    state: Literal["sent", "delivered", "undelivered", "failed"]
    error_code: str = ""


class SendFailed(Exception):
    """The provider did not take a message. `policy` says what the worker does about it.

    - `later`: not taken, try again after `retry_after` seconds (0: by the worker's own schedule);
    - `unknown`: no answer, it may have been taken; tried again like `later`;
    - `never`: it cannot be sent (bad number, opted out); the row fails for good;
    - `alarm`: our own settings are at fault; logged for the operator, tried again like `later`.
    """

    def __init__(
        self, policy: Literal["later", "unknown", "never", "alarm"], code: str, retry_after: float = 0
    ) -> None:
        super().__init__(f"{policy}: {code}")
        self.policy = policy
        self.code = code
        self.retry_after = retry_after


class Unavailable(Exception):
    """The turn could not be taken now. `sentence` is what may truthfully be told to the person meanwhile."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
