"""The reference a buyer writes on a bank transfer: an ISO 11649 creditor reference around the purchase's own reference.

"RF", two check digits (ISO 7064, mod 97-10) and the 8 characters that people read out. Many banks check the digits while
the payer types; the others pass on whatever was typed, so it is looked for again in the text that arrives.
"""

import re
import unicodedata

_OURS = "[2-9A-HJKMNP-TV-Z]{8}"
"""What a purchase's reference is made of: no 0/O, 1/I/L or U."""
_REFERENCE = re.compile(_OURS)
_ANYWHERE = re.compile(f"(?=RF([0-9]{{2}})({_OURS}))")
_BETWEEN = re.compile("[^0-9A-Za-z]+")
_GROUP = 4


def creditor_reference(reference: str) -> str:
    """The creditor reference (12 characters, no spaces) of a purchase's reference, which may be in lower case.

    Raises ValueError when that is not 8 letters and digits of ours.
    """
    ours = reference.upper()
    if not _REFERENCE.fullmatch(ours):
        raise ValueError("no reference of ours")
    return f"RF{_check_digits(ours)}{ours}"


def shown(creditor: str) -> str:
    """A creditor reference as people read and copy it: in groups of four."""
    return " ".join(creditor[at : at + _GROUP] for at in range(0, len(creditor), _GROUP))


def found_in(text: str) -> list[str]:
    """The purchases' references (8 characters each, in order, each once) whose creditor reference stands in a text.

    Upper or lower case, spaces, dashes, line ends between the characters and words around them do not matter. One with
    other check digits than its own is never among them. Never raises.
    """
    typed = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    found = (match.groups() for match in _ANYWHERE.finditer(typed))
    return list(dict.fromkeys(ours for digits, ours in found if digits == _check_digits(ours)))


def _check_digits(ours: str) -> str:
    number = int("".join(str(int(character, 36)) for character in f"{ours}RF00"))
    return f"{98 - number % 97:02}"
