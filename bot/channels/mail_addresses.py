"""The addresses and names that mails of ours bear, by which what comes back is known to be ours.

`gifts+b42.mac@...` is where mail number 42 returns to, `gifts+u42.mac@...` where its reader writes who wants no more, and
`<b42.mac@...>` is its Message-ID. The keyed hash (80 bits) keeps others from telling us that a mail came back.
"""

import base64
import hmac
import re
from typing import Literal

Tag = Literal["b", "u"]
"""What an address is for: what bounces, or who unsubscribes."""

_NAMED = re.compile(r"([bu])([1-9][0-9]{0,17})\.([a-z2-7]{16})@([a-z0-9.-]{1,253})", re.IGNORECASE)
_MAC_BYTES = 10


class MailAddresses:
    """Those of one deployment. `sender` is the address mail comes from; raises ValueError when it is none."""

    def __init__(self, sender: str, key: bytes) -> None:
        self.sender = sender
        self._local, at, self.domain = sender.rpartition("@")
        if not (self._local and at and self.domain):
            raise ValueError("EMAIL_FROM is no address")
        self._key = key

    def bounces(self, outbox_id: int) -> str:
        """Where this mail comes back to."""
        return f"{self._local}+{self._name('b', outbox_id)}"

    def unsubscribes(self, outbox_id: int) -> str:
        """Where the reader of this mail writes to get no more."""
        return f"{self._local}+{self._name('u', outbox_id)}"

    def message_id(self, outbox_id: int) -> str:
        """The mail's name; the same each time it is sent, so that a mailbox may drop the second."""
        return f"<{self._name('b', outbox_id)}>"

    def read(self, tag: Tag, text: str) -> int | None:
        """The outbox row of the first address or Message-ID of ours in a text; forged ones are passed over."""
        for found in _NAMED.finditer(text):
            ours = self._name(tag, int(found[2]))
            if hmac.compare_digest(ours.encode(), found[0].lower().encode()):
                return int(found[2])
        return None

    def _name(self, tag: Tag, outbox_id: int) -> str:
        digest = hmac.digest(self._key, f"{tag}{outbox_id}".encode(), "sha256")[:_MAC_BYTES]
        return f"{tag}{outbox_id}.{base64.b32encode(digest).decode().lower()}@{self.domain.lower()}"
