"""The protocol of every rail: asked with an id minted beforehand; asking twice charges once."""

from typing import Protocol

from sqlalchemy import Connection


class Gateway(Protocol):
    """One way to pay. Amounts are minor units of `currency`."""

    rail: str

    def left(self, db: Connection, payer_id: int, currency: str) -> int:
        """The most this payer can be charged now, in minor units: asked before anything is promised."""

    def charge(self, db: Connection, charge_id: str, payer_id: int, amount_minor: int, currency: str) -> bool:
        """Charge the payer, once for each `charge_id`. False when the rail cannot take it; then nothing was charged."""
