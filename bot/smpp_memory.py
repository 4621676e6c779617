"""What the SMPP process remembers from one deliver_sm to the next, in Redis and sealed: dialogs, parts of long texts, and
texts whose answer the SMSC may not have got. Lost, it costs a place in a conversation and no value.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

import redis
from cryptography.exceptions import InvalidTag

from bot.channels import smpp_texts
from bot.channels.smpp import Text
from bot.channels.smpp_texts import Place
from bot.channels.smpp_ussd import Hop
from bot.sealing import Seal
from circulation.msisdn import Msisdn

DIALOG_SECONDS = 600
"""A dialog without a hop is forgotten after this long; no network keeps one so long."""
PARTS_SECONDS = 3_600
"""How long the parts of a text wait for the others."""
UNANSWERED_SECONDS, ANSWERED_SECONDS = 600, 30
"""For how long a text that comes again on a new bind is taken for the same one: while we had not answered it, and after."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """A USSD dialog: our name of the session, all that was typed in it joined by `*`, the last of that, and whether the SMSC
    took the screen that answered it."""

    session: str
    text: str
    typed: str
    shown: bool

    def after(self, typed: str) -> "Dialog":
        """The dialog with one more answer. The network repeats a hop whose screen it did not take: that adds nothing."""
        if not self.shown and typed == self.typed:
            return self
        return Dialog(self.session, f"{self.text}*{typed}" if self.text else typed, typed, shown=False)


class Memory:
    """The memory of one SMSC's line. Everything may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, seal: Seal) -> None:
        self._client = client
        self._seal = seal

    def dialog(self, hop: Hop) -> Dialog | None:
        """The dialog this hop belongs to, None when it is not known."""
        kept = self._read(self._key("dialog", hop.msisdn.e164, hop.session))
        return None if kept is None else Dialog(**kept)

    def keep(self, hop: Hop, dialog: Dialog) -> None:
        """Remember how the dialog stands."""
        sealed = self._seal.seal(json.dumps(asdict(dialog)).encode())
        self._client.set(self._key("dialog", hop.msisdn.e164, hop.session), sealed, ex=DIALOG_SECONDS)

    def forget(self, hop: Hop) -> None:
        """The dialog is over."""
        self._client.delete(self._key("dialog", hop.msisdn.e164, hop.session))

    def whole(self, text: Text, msisdn: Msisdn) -> str | None:
        """The words of a text, put together when this is the last of its parts to come; None while some are missing."""
        if text.place is None:
            return smpp_texts.decoded(text.coding, text.body)
        key = self._parts_key(msisdn, text.place)
        sealed = self._seal.seal(bytes([text.coding]) + text.body)
        with self._client.pipeline() as pipe:
            pipe.hset(key, str(text.place.number), sealed)
            pipe.expire(key, PARTS_SECONDS)
            pipe.hgetall(key)
            found = pipe.execute()[2]
        kept = {int(number): part for number, sealed in found.items() if (part := self._opened(sealed))}
        if len(kept) < text.place.total:
            return None
        opened = [kept[number] for number in sorted(kept)]
        # joined before they are read: a character of two units may be cut in the middle
        return smpp_texts.decoded(opened[0][0], b"".join(part[1:] for part in opened))

    def identity(self, msisdn: Msisdn, words: str, link: str) -> str:
        """What tells this text from others, as SMPP itself gives texts no names.

        A text is the same as one before when it comes on another bind soon after: then the SMSC did not get our answer, and
        delivers it again. On the same bind it is a new text, however alike.
        """
        key = self._key("text", msisdn.e164, words)
        kept = self._read(key)
        name = kept["name"] if kept and kept["link"] != link else uuid4().hex
        sealed = self._seal.seal(json.dumps({"name": name, "link": link}).encode())
        self._client.set(key, sealed, ex=UNANSWERED_SECONDS)
        return str(name)

    def answered(self, text: Text, msisdn: Msisdn, words: str) -> None:
        """The text was heard, and the SMSC told so: its parts are needed no more, and it will hardly come again."""
        self._client.expire(self._key("text", msisdn.e164, words), ANSWERED_SECONDS)
        if text.place is not None:
            self._client.delete(self._parts_key(msisdn, text.place))

    def _read(self, key: str) -> Any:
        sealed = self._client.get(key)
        return json.loads(self._opened(sealed) or b"null") if isinstance(sealed, bytes) else None

    def _opened(self, sealed: bytes) -> bytes:
        """What was sealed; nothing when that was under another key."""
        try:
            return self._seal.open(sealed)
        except InvalidTag:
            return b""

    def _parts_key(self, msisdn: Msisdn, place: Place) -> str:
        return self._key("parts", msisdn.e164, str(place.reference), str(place.total))

    def _key(self, kind: str, *names: str) -> str:
        return f"smpp:{kind}:{self._seal.pseudonym(chr(0).join(names)).hex()}"
