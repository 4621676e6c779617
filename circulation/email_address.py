"""E-mail addresses, as people type them and as they are kept."""

import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_LINE = 24
LONGEST = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets with its two angle brackets."""
LONGEST_TYPED = 64
"""What a giver may type: the notices that name it stay within three texts."""


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address. Printed, it hides whose it is: `a***@example.org`."""

    address: str

    def short(self) -> str:
        """As much of it as a line of a list has room for: 24 characters, for the one whose own list it is."""
        return self.address if len(self.address) <= _LINE else f"{self.address[: _LINE - 2]}.."

    def __str__(self) -> str:
        local, _, domain = self.address.partition("@")
        return f"{local[:1]}***@{domain}"

    def __repr__(self) -> str:
        return f"Email({self})"


def parse(typed: str) -> Email | None:
    """The address that was typed, its domain in small letters; None when it is none (ASCII addresses only, RFC 5321)."""
    typed = typed.strip().removeprefix("mailto:")
    if len(typed) > LONGEST or not _ADDRESS.fullmatch(typed) or ".." in typed or typed.split("@")[0][-1:] == ".":
        return None
    local, _, domain = typed.rpartition("@")
    return Email(f"{local}@{domain.lower()}") if not local.startswith(".") else None
