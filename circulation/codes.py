"""One-time redemption codes and certificate serials: how they are made, checked, shown and kept.

A code is 11 digits that nobody can foresee and a check digit. The check digit tells a mistyped code from a wrong one
before anything is looked up; it protects nothing. A code is safe because it cannot be foreseen, is short-lived, counted
when guessed, and kept only as a keyed hash whose key is not in the database.
"""

import hmac
import re
import secrets
from collections.abc import Sequence

CODE_DIGITS = 12
"""With 2,000 codes live at a time and 5,000 guesses allowed a day, one guess in 27 years finds a code."""

_LEAST_KEY_BYTES = 16

# The totally anti-symmetric quasigroup of order 10: H. M. Damm, "Total anti-symmetrische Quasigruppen", 2004.
_QUASIGROUP = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def damm(digits: str) -> int:
    """The check digit that belongs after `digits` (ASCII 0-9); 0 when `digits` already end in the right one.

    Catches every single wrong digit and every swap of two neighbours.
    """
    interim = 0
    for digit in digits:
        interim = _QUASIGROUP[interim][int(digit)]
    return interim


def valid(code: str) -> bool:
    """Whether `code` is 12 ASCII digits with the right check digit; not whether it was ever issued."""
    return re.fullmatch(rf"[0-9]{{{CODE_DIGITS}}}", code) is not None and damm(code) == 0


def shown(code: str) -> str:
    """The code in groups of four, as people read it: `1234 5678 9012`."""
    return " ".join(code[start : start + 4] for start in range(0, len(code), 4))


def new_serial(prefix: str) -> str:
    """A certificate's public number: the issuer's 2-4 capital letters, 9 random digits and their check digit.

    A serial can neither spend nor show a balance. ValueError when `prefix` is not 2-4 letters A-Z.
    """
    if not re.fullmatch(r"[A-Z]{2,4}", prefix):
        raise ValueError(f"a serial's prefix is 2-4 capital letters, not {prefix!r}")
    digits = f"{secrets.randbelow(10**9):09d}"
    return f"{prefix}{digits}{damm(digits)}"


class CodeKeys:
    """The keys under which codes are kept: the current one, then those of codes sealed before a rotation."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """`keys`: (key id, key), the current one first. ValueError when none, repeated or under 16 bytes."""
        if not keys:
            raise ValueError("at least one code key is needed")
        if len({key_id for key_id, _ in keys}) < len(keys):
            raise ValueError("two code keys have the same id")
        for key_id, key in keys:
            if len(key) < _LEAST_KEY_BYTES:
                raise ValueError(f"code key {key_id!r} is shorter than {_LEAST_KEY_BYTES} bytes")
        self._keys = tuple(keys)

    def code_for(self, operation: str) -> str:
        """The code of one operation: the same each time that operation is asked again under the current key.

        Random to anyone without the key (HMAC-SHA-256, 256 bits brought down to 11 digits), so that the code
        itself need never be stored.
        """
        _, digest = self.candidates(f"code for {operation}")[0]
        digits = f"{int.from_bytes(digest) % 10 ** (CODE_DIGITS - 1):0{CODE_DIGITS - 1}d}"
        return f"{digits}{damm(digits)}"

    def seal(self, code: str) -> tuple[str, bytes]:
        """(key id, HMAC-SHA-256 of the code) under the current key: what is stored instead of the code."""
        return self.candidates(code)[0]

    def candidates(self, code: str) -> list[tuple[str, bytes]]:
        """(key id, digest) under every key, the current one first: what a typed code is looked up by."""
        return [(key_id, hmac.digest(key, code.encode("utf-8"), "sha256")) for key_id, key in self._keys]

    def __repr__(self) -> str:
        return f"CodeKeys({', '.join(key_id for key_id, _ in self._keys)})"
