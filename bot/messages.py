"""Plain values that travel between the doors, the engine and the worker. They do nothing."""

from dataclasses import dataclass
from typing import Literal

from circulation.delivery_codes import Action
from circulation.email_address import Email
from circulation.msisdn import Msisdn

Channel = Literal["sms", "ussd", "voice"]
"""How a person speaks to us."""
Wish = Literal["", "stop", "start"]
"""Whether a person wants no more texts from us, or wants them again, as their provider reads it."""
Form = Literal["sms", "mms", "voice", "email"]
"""How something is said to a person who is not in a dialog with us."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from a phone, already verified and tidied by its provider's file.

    `key` is the provider's own identity of the message: an exact repeat has the same key and gets the same reply.
    For USSD `text` is the whole transcript of the session as the network repeats it, inputs joined by `*`. By voice it is
    the keys pressed, `turn` counts the answers of this call (0: it began), and no keys in a later turn are a silence.
    `called`: it was we who called that phone. `wish`: its provider reads in it that the person wants no more texts from us,
    or wants them again, and answers that by itself; where it hides the text from us, that is empty.
    """

    provider: str
    channel: Channel
    key: str
    msisdn: Msisdn
    text: str
    session: str = ""
    turn: int = 0
    called: bool = False
    wish: Wish = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person reads or hears. `more`: the dialog stays open (USSD `CON`). `secret`: it shows a code, so it is kept
    sealed. `language`: what it is in (empty: not known). `one_key`: by voice, a single key answers it."""

    text: str
    more: bool = False
    secret: bool = False
    language: str = ""
    one_key: bool = False


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A picture, a sound or a page that goes with a message. `link` is where it is fetched, until it expires.

    `body` and `mime` are there for a channel that carries the thing itself (e-mail), else empty: `mime` of a page is
    `text/html`.
    """

    kind: Literal["page", "card", "sound", "barcode"]
    link: str
    mime: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message to a person, as the worker hands it to a provider. `id` is our outbox row; `attempt` is its fence."""

    id: int
    attempt: int
    provider: str
    to: Msisdn | Email
    text: str
    form: Form = "sms"
    enclosed: tuple[Enclosed, ...] = ()

    @property
    def msisdn(self) -> Msisdn:
        """The phone it goes to. Only e-mail goes elsewhere."""
        assert isinstance(self.to, Msisdn), "only e-mail goes elsewhere than to a phone"
        return self.to


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


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a telephone call, already verified by its provider's file.

    `call` is the provider's name of the call, `phone` the other end of it (None: a withheld number), and `ours` says that
    we called it, for the outbox row `outbox_id`. `keys` were pressed as its answer number `turn` (0: it was just begun);
    none, and `silences` of at least 1: so often nothing was pressed. `machine`: no person has answered.
    """

    provider: str
    call: str
    phone: Msisdn | None
    ours: bool = False
    keys: str = ""
    turn: int = 0
    silences: int = 0
    outbox_id: int = 0
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Hung:
    """A call is over. `how` is the provider's word. Of a call of ours `outbox_id` names the row (0: we were called), and
    `human` says whether a person is known to have answered."""

    provider: str
    call: str
    outbox_id: int
    how: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    seconds: int
    machine: bool
    human: bool


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said in a call, and what is listened for then: one key, several ended by hash, or nothing: it is over.

    The answer will be number `turn`; it was asked for in vain `silences` times.
    """

    text: str
    language: str
    then: Literal["key", "keys", "over"]
    turn: int = 0
    silences: int = 0


class SendFailed(Exception):
    """The provider did not take a message. `policy` says what follows: one of the actions in `circulation.delivery_codes`
    (`later` and `slow` after `retry_after` seconds, 0: by the worker's own schedule), or `unknown`: no answer, so it may have
    been taken; the provider is asked whether it was before it is sent again.
    """

    def __init__(self, policy: Action | Literal["unknown"], code: str, retry_after: float = 0) -> None:
        super().__init__(f"{policy}: {code}")
        self.policy = policy
        self.code = code
        self.retry_after = retry_after


class Unavailable(Exception):
    """The turn could not be taken now. `sentence` is what may truthfully be told to the person meanwhile."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
