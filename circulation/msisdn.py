"""Phone numbers: what people type, what providers send, and one value that never shows itself by accident."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache

import phonenumbers
from babel import Locale
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from circulation.digits import fold_digits

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")

# What people and address books put between digits: spaces, brackets, dots, slashes, dashes, direction marks.
_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060-\u2069\u2212]")
_TYPED = re.compile(r"\+?[0-9]{3,20}")
_LONGEST_TYPED = 64
_FULL_WIDTH_PLUS = "\uff0b"

_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


@dataclass(frozen=True, order=True, slots=True, repr=False)
class Msisdn:
    """One phone's number. `.e164` reveals it ("+254712345678"); `str` and `repr` show "+2547•••••678"."""

    e164: str

    def __post_init__(self) -> None:
        if not _E164.fullmatch(self.e164):
            raise ValueError("not an E.164 number")

    def __repr__(self) -> str:
        # at least five digits stay hidden, also in the shortest numbers there are
        hidden = max(len(self.e164) - 8, 5)
        return self.e164[: len(self.e164) - 3 - hidden] + "•" * hidden + self.e164[-3:]

    def national(self, country: str) -> str:
        """The number as people in `country` (ISO 3166) write it: "0712 345678"; "+255 621 234 567" abroad."""
        number = phonenumbers.parse(self.e164)
        at_home = number.country_code == phonenumbers.country_code_for_region(country)
        style = PhoneNumberFormat.NATIONAL if at_home else PhoneNumberFormat.INTERNATIONAL
        return phonenumbers.format_number(number, style)


class BadNumber(Exception):
    """A typed number that no gift can go to: `code` for machines, `sentence` with its {holes} for people.

    Codes: "not_a_number", "other_country", "landline", "not_mobile" (toll-free, premium and the like).
    """

    def __init__(self, code: str, sentence: str, **holes: str) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = sentence
        self.holes = holes


def parse_msisdn(text: str, country: str, served: Collection[str] = ()) -> Msisdn:
    """The mobile number of `country` (ISO 3166) that someone typed, in any digits and with any usual
    separators.

    Understands 0712.., 712.., 254712.., +254712.., 00254712.. alike. `served` are the countries whose numbers will do; none
    named: `country` alone, as which a number without a country's code is read. Raises BadNumber. ValueError when
    `country` has no mobile numbers at all, which is a mistake in the settings.
    """
    example = _example(country)
    number = _parsed(text, country)
    if number is None:
        raise BadNumber("not_a_number", "We could not read that phone number. Type it like {example}.", example=example)
    countries = served or (country,)
    if phonenumbers.region_code_for_number(number) not in countries:
        raise BadNumber(
            "other_country",
            "Gifts can only go to phones in {country_name}. Type a number like {example}.",
            country_name=", ".join(sorted(Locale("en").territories[one] for one in countries)),
            example=example,
        )
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.FIXED_LINE:
        raise BadNumber("landline", "That looks like a landline. Gifts go to mobile phones.")
    if kind not in _MOBILE:
        raise BadNumber("not_mobile", "That is not a mobile phone. Gifts go to mobile phones.")
    return Msisdn(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def from_provider(text: str) -> Msisdn | None:
    """The sender a provider names ("+254712345678" or "254712345678"), None when it is no phone's number.

    Short codes, alphanumeric senders and garbage give None. A number only has to be of a possible length for
    its country: a range opened after our number tables were printed must still be served. A blank in front is
    a plus sign that some HTTP client forgot to encode.
    """
    e164 = "+" + text.strip(" ").removeprefix("+")
    return Msisdn(e164) if _E164.fullmatch(e164) and _possible(e164) else None


@lru_cache(maxsize=4096)
def _possible(e164: str) -> bool:
    """Remembered, because every step of a dialog asks it, and it takes longer than anything else that a step does here."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(e164))
    except NumberParseException:
        return False


def _parsed(text: str, country: str) -> PhoneNumber | None:
    """The valid number of any country and kind that `text` spells, or None."""
    if len(text) > _LONGEST_TYPED:
        return None
    digits = _BETWEEN_DIGITS.sub("", fold_digits(text)).replace(_FULL_WIDTH_PLUS, "+")
    if not _TYPED.fullmatch(digits):
        return None
    # people type 00 before a country's code wherever they are; phonenumbers knows only each country's own
    # prefix
    digits = re.sub(r"^000?(?=[1-9])", "+", digits)
    try:
        number = phonenumbers.parse(digits, country)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


@cache
def _example(country: str) -> str:
    number = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    if number is None:
        raise ValueError(f"no mobile numbers are known in country {country!r}")
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
