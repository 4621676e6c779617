"""What must be kept but not read: conversation places and stored replies, encrypted with a key outside the stores."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Seal:
    """Keys derived from GIFTLINE_SECRET_KEY, one for each use."""

    def __init__(self, secret_key: str) -> None:
        self._root = secret_key.encode()
        self._box = AESGCM(self.key("sealed bodies"))
        self._names = self.key("pseudonyms")

    def key(self, use: str) -> bytes:
        """32 bytes for one use, not to be told from those of another."""
        return hmac.new(self._root, f"giftline: {use}".encode(), hashlib.sha256).digest()

    def seal(self, plain: bytes) -> bytes:
        """Encrypted and authenticated (AES-GCM, a random 96-bit nonce in front)."""
        nonce = os.urandom(_NONCE)
        return nonce + self._box.encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. Raises cryptography's InvalidTag for anything else."""
        if len(sealed) < _NONCE:
            raise InvalidTag
        return self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)

    def pseudonym(self, text: str) -> bytes:
        """16 bytes that stand for `text` where it should not be seen; the same each time."""
        return hmac.digest(self._names, text.encode("utf-8", "surrogatepass"), "sha256")[:16]
