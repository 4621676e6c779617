"""A text that must not be seen: it shows itself only to whoever asks for it by name."""

import hmac

_MASK = "•••"


class Secret:
    """Holds a PIN, a code or another text that no log, error or JSON may show: every rendering of it is
    `•••`.

    It is no `str`, so nothing joins, stores or serialises it by accident (`json.dumps(..., default=str)`
    writes the mask). Two secrets are compared in constant time.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._text)

    def _bytes(self) -> bytes:
        # compare_digest refuses a str beyond ASCII, and plain UTF-8 refuses a lone surrogate
        return self._text.encode("utf-8", "surrogatepass")
