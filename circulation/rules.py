"""The limits and keys the verbs work by, as plain values: seconds, minor units, counts. Built from the settings."""

from dataclasses import dataclass

from circulation.attempts import Attempts
from circulation.codes import CodeKeys
from circulation.pins import Pins
from payments.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Rules:
    """One deployment's rules. `country` is ISO 3166, `currency` ISO 4217, times are seconds, amounts minor units."""

    country: str
    currency: str
    gift_lapse_seconds: int
    code_seconds: int
    phone_bill: Gateway
    sms_provider: str
    service_code: str
    code_keys: CodeKeys
    attempts: Attempts
    pins: Pins
    most_sheets: int = 9
    most_amount_minor: int = 100_000_000
