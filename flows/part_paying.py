"""What beginning and joining a group gift share: at the end of both, one part is paid."""

from functools import cached_property

from bot.dialog import Flow, Move, Option, move
from circulation import sales
from circulation.money import Money
from circulation.refusals import Refusal
from flows.buy import RAILS


def to_agreement(trigger: str, at: str) -> list[Move]:
    """From this step to the screen that agrees to the part, on the phone bill or over another rail."""
    return [move(trigger, at, "on_bill", when="pays_on_bill"), move(trigger, at, "asked")]


def to_paying(trigger: str, at: str) -> list[Move]:
    """From this step to the ways to pay the part; where there is only one, nobody is asked."""
    return [move(trigger, at, "rail", when="several_ways"), *to_agreement(trigger, at)]


def to_member(trigger: str, at: str) -> list[Move]:
    """From this step to paying, by way of joining and of a PIN where they are missing."""
    return [
        move(trigger, at, "joining", when="stranger"),
        move(trigger, at, "pin", when="pin_missing"),
        *to_paying(trigger, at),
    ]


AFTER_DETOURS = (
    *to_paying("joined", "joining"),
    move("refused", "joining", "home"),
    *to_paying("chosen", "pin"),
    *to_agreement("answered", "rail"),
    move("stopped", "on_bill", "stopped"),
    move("stopped", "asked", "stopped"),
)
"""The rows behind `to_member`, but for what agreeing does."""


class PartPaying(Flow):
    """A flow that ends in paying the part in its answer `part`, at its step `on_bill` or `asked`."""

    def stranger(self) -> bool:
        return self.member is None or not self.member.joined

    def rails(self) -> list[Option]:
        """The ways that can take this part from this phone."""
        return [Option(rail, RAILS[rail]) for rail in self._ways]

    def several_ways(self) -> bool:
        return len(self._ways) > 1

    def rail(self) -> str:
        """The way that was chosen, or the only one there is."""
        return str(self.answers["rail"]) if "rail" in self.answers else next(iter(self._ways), sales.PHONE_BILL)

    def pays_on_bill(self) -> bool:
        return self.rail() == sales.PHONE_BILL

    def service_code(self) -> str:
        return self.rules.service_code

    @cached_property
    def _ways(self) -> list[str]:
        """The ways to pay that can take this part from this phone; none: agreeing to it says why. Read once a turn."""
        part, member = self.answers["part"], self.member
        assert member is not None and isinstance(part, Money), "only members get here, and only with a part"
        try:
            return sales.ways(self.db, self.rules, member, part)
        except Refusal:
            return []
