"""Texts as SMPP carries them: their bytes and data coding, the parts of a long one, and back.

Sources: SMPP 3.4, 5.2.19 (data_coding) and 5.3.2.22 to 24 (sar_ parameters); 3GPP TS 23.038, 4 and 6.2.1 (coding groups, the
alphabet, one septet to an octet, as SMSCs take it); 3GPP TS 23.040, 9.2.3.24.1 and .8 (concatenation in the header).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot import fitting

GSM7, ASCII, LATIN1, UCS2 = 0x00, 0x01, 0x03, 0x08  # data_coding
_BINARY = frozenset({0x02, 0x04})

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENDED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_CODES: Mapping[str, bytes] = {
    **{char: bytes([code]) for code, char in enumerate(_BASIC) if code != _ESCAPE},
    **{char: bytes([_ESCAPE, code]) for code, char in _EXTENDED.items()},
}

_CONCATENATED_8, _CONCATENATED_16 = 0x00, 0x08  # elements of a user data header
MOST_PARTS = 255


@dataclass(frozen=True, slots=True)
class Part:
    """One SMS of a text: `coding` is its data_coding; `body` begins with a user data header when `headed`."""

    coding: int
    body: bytes
    headed: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part belongs: the sender's number of the whole, how many parts there are, which this is (from 1)."""

    reference: int
    total: int
    number: int


def encoded(text: str) -> tuple[int, bytes]:
    """The data_coding and the bytes of a text: GSM-7, an octet a septet, where its alphabet holds every character."""
    if fitting.encoding(text) == "gsm7":
        return GSM7, _septets(text)
    return UCS2, text.encode("utf-16-be", "surrogatepass")


def parts(text: str, reference: int) -> list[Part]:
    """The SMS that `text` is sent as. Of a long one each is headed by `reference` (its last eight bits), so that the phone
    puts them together."""
    coding, whole = encoded(text)
    cut = fitting.parts(text)
    if len(cut) == 1:
        return [Part(coding, whole, headed=False)]
    bodies = [_septets(part) if coding == GSM7 else part.encode("utf-16-be", "surrogatepass") for part in cut]
    mark = bytes([5, _CONCATENATED_8, 3, reference & 0xFF, len(cut)])
    return [Part(coding, mark + bytes([number]) + body, headed=True) for number, body in enumerate(bodies, 1)]


def decoded(coding: int, body: bytes) -> str:
    """The words in a message's bytes; "" for what is not words. Never raises."""
    match _alphabet(coding):
        case "gsm7":
            return _from_septets(body)
        case "ucs2":
            return body.decode("utf-16-be", "replace")
        case "latin-1":
            return body.decode("latin-1")
        case _:
            return ""


def unheaded(body: bytes) -> tuple[Place | None, bytes]:
    """What a user data header says of the part, and the body after it. A header that is cut off says nothing."""
    length = body[0] if body else 0
    header, rest = body[1 : 1 + length], body[1 + length :]
    place = None
    while len(header) >= 2:
        element, size = header[0], header[1]
        value, header = header[2 : 2 + size], header[2 + size :]
        if element == _CONCATENATED_8 and len(value) == 3:
            place = _place(value[0], value[1], value[2])
        elif element == _CONCATENATED_16 and len(value) == 4:
            place = _place(int.from_bytes(value[:2]), value[2], value[3])
    return place, rest


def sar_place(reference: bytes | None, total: bytes | None, number: bytes | None) -> Place | None:
    """What the sar_ parameters say of a part; None when one is missing or they make no sense."""
    if not (reference and total and number):
        return None
    return _place(int.from_bytes(reference), total[0], number[0])


def _place(reference: int, total: int, number: int) -> Place | None:
    return Place(reference, total, number) if total > 1 and 1 <= number <= total else None


def _septets(text: str) -> bytes:
    return b"".join(_CODES[char] for char in text)


def _from_septets(body: bytes) -> str:
    words, escaped = [], False
    for octet in body:
        if escaped:
            # 6.2.1.1: a code the extension table does not have is shown as the basic table's character
            words.append(_EXTENDED.get(octet) or _BASIC[octet & 0x7F])
            escaped = False
        elif octet == _ESCAPE:
            escaped = True
        else:
            words.append(_BASIC[octet & 0x7F])
    return "".join(words).replace("\x1b", " ")


def _alphabet(coding: int) -> str:
    """SMPP's own values up to 15; above, the coding groups of 23.038, in which USSD says 15 for GSM-7."""
    if coding in {GSM7, 0x0F}:
        return "gsm7"
    if coding < 0x10:
        return {ASCII: "latin-1", LATIN1: "latin-1", UCS2: "ucs2"}.get(coding, "" if coding in _BINARY else "gsm7")
    if coding >= 0xF0:
        return "" if coding & 0x04 else "gsm7"
    if coding >= 0xC0:  # message waiting
        return "ucs2" if coding >= 0xE0 else "gsm7"
    return {0x00: "gsm7", 0x04: "", 0x08: "ucs2", 0x0C: "gsm7"}[coding & 0x0C]
