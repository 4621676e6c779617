"""Answers and notice holes as JSON and back: text, numbers, Money, phone numbers, e-mail addresses, times, days.

Nothing else is let through.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn

Value = str | int | bool | None | Money | Msisdn | Email | datetime | date


def pack(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as plain JSON. Raises TypeError for a value of any other type."""
    return {name: _packed(value) for name, value in values.items()}


def unpack(packed: Mapping[str, Any]) -> dict[str, Value]:
    """What `pack` was given."""
    return {name: _unpacked(value) for name, value in packed.items()}


def _packed(value: Value) -> Any:
    match value:
        case None | str() | int():
            return value
        case Money():
            return {"money": [value.amount_minor, value.currency]}
        case Msisdn():
            return {"msisdn": value.e164}
        case Email():
            return {"email": value.address}
        case datetime():
            return {"time": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
    raise TypeError(f"a {type(value).__name__} cannot be remembered")


def _unpacked(value: Any) -> Value:
    match value:
        case {"money": [int(amount_minor), str(currency)]}:
            return Money(amount_minor, currency)
        case {"msisdn": str(e164)}:
            return Msisdn(e164)
        case {"email": str(address)}:
            return Email(address)
        case {"time": str(moment)}:
            return datetime.fromisoformat(moment)
        case {"day": str(day)}:
            return date.fromisoformat(day)
        case None | str() | int():
            return value
    raise TypeError(f"{type(value).__name__} is no packed value")
