"""An amount of money: integer minor units and an ISO 4217 currency. Never a float."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """`amount_minor` minor units (cents) of `currency`. Amounts of different currencies are never added."""

    amount_minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.amount_minor * times, self.currency)
