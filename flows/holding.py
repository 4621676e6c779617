"""What gift and redeem share: both begin with a certificate that the member holds."""

from functools import cached_property

from bot.dialog import Flow, Option
from circulation import wallet
from circulation.money import Money
from circulation.refusals import Refusal


class Holding(Flow):
    """A flow about one held certificate, chosen at its step `certificate`."""

    def held(self) -> list[Option]:
        """The certificates with something left on them."""
        return [
            Option(held.id, "{issuer} {amount}", {"issuer": held.issuer, "amount": held.balance})
            for held in self._all()
        ]

    def holds_something(self) -> bool:
        return bool(self._all())

    def chosen_before(self) -> bool:
        """Whether the certificate was chosen on the way here (in the basket)."""
        return "certificate" in self.answers

    def issuer(self) -> str:
        return self.chosen.issuer

    def amount(self) -> Money:
        return self.chosen.balance

    @cached_property
    def chosen(self) -> wallet.Held:
        """The certificate as it is now, read once a turn.

        Raises Refusal `not_yours` when it left the member's hands meanwhile.
        """
        member = self.member
        chosen = wallet.certificate(self.db, member.id, int(str(self.answers["certificate"]))) if member else None
        if chosen is None:
            raise Refusal("not_yours")
        return chosen

    def _all(self) -> list[wallet.Held]:
        return wallet.held(self.db, self.member.id) if self.member else []
