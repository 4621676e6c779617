"""The limits and keys the verbs work by, as plain values: seconds, minor units, counts. Built from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from circulation.attempts import Attempts
from circulation.codes import CodeKeys
from circulation.law import Laws
from circulation.pins import Pins
from circulation.routes import Routes
from payments.carrier_bill import CarrierBill
from payments.gateway import Gateway


class Sealer(Protocol):
    """Encrypts what must not lie readable in the database."""

    def seal(self, plain: bytes) -> bytes: ...
    def open(self, sealed: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """One deployment's rules. `country` is ISO 3166, `currency` ISO 4217, times are seconds, amounts minor units.

    `name_checks`: the network can be asked whose a phone is. `countries` are those that gifts go to; how many gifts and texts
    may leave in a day is explained in circulation/sending_limits.py.
    `rails` are the ways to pay on offer, in menu order: None stands for the operator's own phone bill.
    """

    country: str
    currency: str
    zone: str
    gift_lapse_seconds: int
    code_seconds: int
    phone_bill: CarrierBill
    rails: Mapping[str, Gateway | None]
    laws: Laws
    law_pack: str
    routes: Routes
    service_code: str
    public_base_url: str
    countries: frozenset[str]
    code_keys: CodeKeys
    link_key: bytes
    seal: Sealer
    attempts: Attempts
    pins: Pins
    most_sheets: int = 9
    most_amount_minor: int = 100_000_000
    most_waiting: int = 3
    late_issue_seconds: int = 86_400
    name_checks: bool = False
    gifts_a_day: int = 50
    strangers_a_day_per_prefix: int = 2_000
    texts_a_day: int = 100_000
