"""Human references: what people read out when they ask about a purchase, a gift or a use."""

import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No 0/O, 1/I/L or U: nothing that is misread, misheard or rude."""
LENGTH = 8


def new_reference() -> str:
    """Eight characters, 39 bits: unique in practice, and unique in fact by the tables that keep it."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
