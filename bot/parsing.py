"""What people type, read as values: menu numbers, amounts, codes, PINs, names, notes and phone numbers.

Every parser takes any text at all and either returns a value or raises `NotUnderstood` with a sentence that
says what to type instead; nothing else is ever raised. Digits of every script count. All patterns run in
linear time.
"""

import re
import unicodedata
from collections.abc import Collection
from functools import cache
from itertools import pairwise

from babel import localedata
from babel.numbers import get_currency_precision, get_currency_symbol, is_currency

from circulation import bearer, codes
from circulation.digits import fold_digits as fold_digits
from circulation.money import Money
from circulation.msisdn import BadNumber, Msisdn, parse_msisdn

LONGEST_TEXT = 1_600
"""Characters kept of one message: what Twilio carries at most."""
LONGEST_NAME = 40
LONGEST_NOTE = 80
PIN_DIGITS = 4


class NotUnderstood(Exception):
    """A slip: a reply we cannot read. `sentence` is English, translated before its {holes} are filled."""

    def __init__(self, sentence: str, **holes: str | int | Money) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.holes = holes


_JOINERS = re.compile("[\u200c\u200d]+")
_DROPPED_FORMAT = re.compile(
    # soft hyphen, Hangul fillers, Mongolian separator, zero-width and direction marks, invisible operators,
    # interlinear marks, tags: nothing a phone shows, everything a forger needs
    "[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
# control characters that are no white space, lone surrogates, and U+FFFE and U+FFFF, which XML refuses
_DROPPED_CODES = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def tidy(text: object) -> str:
    """The canonical form of whatever came through a door; "" for anything that is not text. Never raises.

    NUL, lone surrogates, control and invisible characters go; a run of white space, line ends included,
    becomes one space and none is left at the ends; letters are composed (NFC); at most 1,600 characters stay.
    The joiners that Persian and Indic words and emoji families are written with stay between letters or
    emoji, never beside ASCII. Tidying a tidy text changes nothing.
    """
    if not isinstance(text, str):
        return ""
    tidied = _tidied(text)
    # dropping a joiner may let two characters compose, which may leave another joiner where it does not
    # belong
    while tidied != text:
        text, tidied = tidied, _tidied(tidied)
    return tidied


def _tidied(text: str) -> str:
    text = text[:LONGEST_TEXT]
    if not (text.isascii() and text.isprintable()):
        text = _DROPPED_FORMAT.sub("", _DROPPED_CODES.sub("", text))
        text = _JOINERS.sub(_wanted_joiner, unicodedata.normalize("NFC", text))
    return " ".join(text.split())[:LONGEST_TEXT].rstrip()


def _wanted_joiner(found: re.Match[str]) -> str:
    """One joiner of the run when it joins two letters, or as ZWJ two emoji; otherwise nothing."""
    text, start, end = found.string, found.start(), found.end()
    if start == 0 or end == len(text):
        return ""
    sides = text[start - 1] + text[end]
    if any(char.isascii() for char in sides):
        return ""
    joiner = text[start]
    if all(unicodedata.category(char)[0] in "LM" for char in sides):
        return joiner
    # Cn: an emoji younger than our Unicode tables; Sk: skin tones; M: the emoji variation selector
    emoji = all(unicodedata.category(char) in {"So", "Sk", "Cn", "Mn"} for char in sides)
    return joiner if emoji and joiner == "\u200d" else ""


_MENU_NUMBER = re.compile(r"#? ?([0-9]{1,4}) ?[.):#]?")


NOT_IN_LIST = "Please reply with a number from the list."


def choice(text: str) -> int:
    """The number of a menu row: "1", "1.", "1)", "#1", "1#", in any digits."""
    return _menu_number(text, NotUnderstood(NOT_IN_LIST))


def quantity(text: str, most: int) -> int:
    """How many, from 1 to `most`."""
    slip = NotUnderstood("Type a number from 1 to {most}.", most=most)
    wanted = _menu_number(text, slip)
    if not 1 <= wanted <= most:
        raise slip
    return wanted


def _menu_number(text: str, slip: NotUnderstood) -> int:
    found = _MENU_NUMBER.fullmatch(_digits_of(text))
    if not found:
        raise slip
    return int(found[1])


def _digits_of(text: str) -> str:
    return fold_digits(tidy(text))


_MONEY = re.compile(
    r"(?P<minus>[-\u2212])? ?(?:(?P<before>[^0-9\s.,/+\-\u2212]{1,9})\.?)? ?(?P<inner_minus>[-\u2212])? ?"
    r"(?P<figures>[0-9][0-9 .,]*?) ?(?P<slash>/[-=])? ?(?P<after>[^0-9\s.,/+\-\u2212]{1,9})?\.?"
)
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<mark>[ .,])[0-9]{3}(?:(?P=mark)[0-9]{3})*)"
    r"(?:(?!(?P=mark))[.,](?P<decimals>[0-9]+))?"
)
_UNGROUPED = re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<decimals>[0-9]+))?")
# the Arabic decimal and thousands marks and comma, the full-width full stop and comma
_OTHER_MARKS = str.maketrans("\u066b\u066c\u060c\uff0e\uff0c", ".,,.,")
_SHILLINGS = {"sh", "shs", "shilling", "shillings", "shilingi", "bob"}


def amount(text: str, currency: str, max_minor: int) -> int:
    """The amount_minor of `currency` (ISO 4217) that was typed: more than 0, at most `max_minor`.

    A comma or dot before exactly 2 digits at the end is a decimal mark ("5,00" is five), before 3 digits it
    parts thousands ("5.000" is five thousand), as a space does. The two must differ: "1.500.50" is refused,
    and so is "5.5". The currency's code or sign may stand on either side, "/-" or "/=" behind: "KES 500",
    "Ksh1,500", "500/=".
    """
    found = _MONEY.fullmatch(_digits_of(text).translate(_OTHER_MARKS))
    if not found:
        raise _unreadable_amount()
    for name in (found["before"], found["after"]):
        if name and name.casefold() not in _names_of(currency):
            raise _other_currency(currency) if _is_money(name) else _unreadable_amount()
    figures = _GROUPED.fullmatch(found["figures"]) or _UNGROUPED.fullmatch(found["figures"])
    if not figures:
        raise _unreadable_amount()
    if found["minus"] or found["inner_minus"]:
        raise NotUnderstood("An amount cannot be below zero. Type it like 500.")
    minor = _minor(re.sub("[ .,]", "", figures["whole"]), figures["decimals"] or "", currency)
    if minor == 0:
        raise NotUnderstood("The amount must be more than zero.")
    if minor > max_minor:
        raise NotUnderstood("The most you can type here is {limit}.", limit=Money(max_minor, currency))
    return minor


def _minor(whole: str, decimals: str, currency: str) -> int:
    precision = get_currency_precision(currency)
    if len(decimals) > precision:
        if precision == 0:
            raise NotUnderstood("Amounts in {currency} are whole. Type it like 500.", currency=currency)
        raise NotUnderstood(
            "Amounts in {currency} have at most {digits} digits after the point.",
            currency=currency,
            digits=precision,
        )
    if len(decimals) == 1:
        raise _unreadable_amount()
    return int(whole + decimals.ljust(precision, "0"))


@cache
def _names_of(currency: str) -> frozenset[str]:
    """What people write for `currency`, casefolded: its code, its sign, and the plural of the sign (Kshs)."""
    # ISO 4217 builds a currency's code on its country's
    locales = [name for name in ("en", f"en_{currency[:2]}") if localedata.exists(name)]
    signs = {get_currency_symbol(currency, locale).casefold() for locale in locales}
    shillings = _SHILLINGS if any(sign.endswith("sh") for sign in signs) else set[str]()
    return frozenset({currency.casefold(), *signs, *(f"{sign}s" for sign in signs), *shillings})


def _is_money(name: str) -> bool:
    return is_currency(name.upper()) or any(unicodedata.category(char) == "Sc" for char in name)


def _unreadable_amount() -> NotUnderstood:
    return NotUnderstood("We could not read that amount. Type it like 500 or 1,500.50.")


def _other_currency(currency: str) -> NotUnderstood:
    return NotUnderstood("Amounts here are in {currency}. Type it like 500.", currency=currency)


_CODE_MARKS = re.compile(r"[ .\-\u2010-\u2015\u2212]")


def code(text: str) -> str:
    """A redemption code's 12 ASCII digits; spaces, dots and dashes between them do not matter."""
    digits = _CODE_MARKS.sub("", _digits_of(text))
    if not codes.valid(digits):
        raise NotUnderstood("That code was mistyped. Check the 12 digits and type it again.")
    return digits


def code_or_bearer(text: str) -> str:
    """As `code`; or the sixteen characters of a bearer code, as it stands under a barcode."""
    return bearer.read(fold_digits(text)) or code(text)


def pin(text: str) -> str:
    """A new PIN: 4 ASCII digits that are no run (1234, 4321), repeat (1111, 1212) or year (1900-2099)."""
    digits = _digits_of(text)
    if not re.fullmatch(rf"[0-9]{{{PIN_DIGITS}}}", digits):
        raise NotUnderstood("A PIN has {length} digits. Type it again.", length=PIN_DIGITS)
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    if steps in ({0}, {1}, {9}) or digits[:2] == digits[2:] or digits[:2] in {"19", "20"}:
        raise NotUnderstood("That PIN is easy to guess. Choose another.")
    return digits


def pin_entry(text: str) -> str:
    """A PIN typed to be checked: 4 to 6 ASCII digits."""
    digits = _digits_of(text)
    if not re.fullmatch(r"[0-9]{4,6}", digits):
        raise NotUnderstood("Type your PIN: digits only.")
    return digits


def agreement_entry(text: str) -> str:
    """The number we sent to be typed back: exactly 4 ASCII digits."""
    digits = _digits_of(text)
    if not re.fullmatch(r"[0-9]{4}", digits):
        raise NotUnderstood("Please reply with the number that stands at the end.")
    return digits


# A scheme, or a dot with a letter or digit before it and two letters after it, as in bit.ly and me@mail.com.
_LINK = re.compile(r"://|[^\W_]\.[^\W\d_]{2}")


def name(text: str) -> str:
    """A person's name: 1 to 40 characters, at least one letter, no web address, at most 3 digits in a row."""
    typed = tidy(text)
    if not any(char.isalpha() for char in typed):
        raise NotUnderstood("We could not read that name. Type it with letters.")
    if len(typed) > LONGEST_NAME:
        raise NotUnderstood("That name is too long. Use at most {most} characters.", most=LONGEST_NAME)
    if _has_link(typed) or _has_digits(typed, more_than=3):
        raise NotUnderstood("A name cannot hold a number or a web address. Type your name.")
    return typed


def note(text: str) -> str:
    """A gift's message: at most 80 characters, "" for the reply "0" (no note).

    No web addresses and no more than 5 digits in a row, however spaced: our number is trusted, and must not
    pass on what a swindler would write.
    """
    typed = tidy(text)
    if fold_digits(typed) == "0":
        return ""
    if not typed:
        raise NotUnderstood("Type a short note, or reply 0 for none.")
    if len(typed) > LONGEST_NOTE:
        raise NotUnderstood(
            "Your note has {length} characters. Use at most {most}.", length=len(typed), most=LONGEST_NOTE
        )
    if _has_link(typed):
        raise NotUnderstood("A note cannot hold a web address. Put a space after each full stop.")
    if _has_digits(typed, more_than=5):
        raise NotUnderstood("A note cannot hold a phone number or code: at most 5 digits in a row.")
    return typed


def msisdn(text: str, country: str, served: Collection[str] = ()) -> Msisdn:
    """The mobile number that was typed, of `country` (ISO 3166) or of one of those `served`."""
    try:
        return parse_msisdn(tidy(text), country, served)
    except BadNumber as refused:
        raise NotUnderstood(refused.sentence, **refused.holes) from refused


def _has_link(text: str) -> bool:
    return _LINK.search(_compatible(text)) is not None


def _has_digits(text: str, *, more_than: int) -> bool:
    """Whether more than so many digits follow each other, each at most three signs and no letter apart."""
    digits = rf"[0-9](?:[\W_]{{0,3}}[0-9]){{{more_than}}}"
    return re.search(digits, fold_digits(_compatible(text))) is not None


def _compatible(text: str) -> str:
    """`text` as its reader takes it: NFKC makes circled, raised and full-width look-alikes plain."""
    return unicodedata.normalize("NFKC", text)
