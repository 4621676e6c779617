"""What sent and unreached share: a gift of the giver's that waits, and having its recipient called."""

from bot.dialog import Flow
from circulation import hours, redirecting
from circulation.addresses import Address
from circulation.delivery import Progress
from circulation.members import Member
from circulation.money import Money


class WaitingGift(Flow):
    """A flow about one gift, which it says by `gift_shown`."""

    def gift_shown(self) -> Progress:
        """The gift as it is now. Raises Refusal when there is nothing to decide about it any more."""
        raise NotImplementedError

    def issuer(self) -> str:
        return self.gift_shown().issuer

    def amount(self) -> Money:
        return self.gift_shown().amount

    def recipient(self) -> Address:
        return self.gift_shown().recipient

    def by_day(self) -> bool:
        """Whether the recipient may be called now."""
        return hours.decent(hours.now(self.db), hours.zone_of(self.gift_shown().recipient, self.rules.zone))

    def call(self) -> None:
        gift = self._remember()
        at = redirecting.call(self.db, self.rules, gift_id=gift.gift_id, giver=self._giver())
        self.answers["call_at"] = at or hours.now(self.db)

    def _remember(self) -> Progress:
        """What the last word will name; once decided, the gift may no longer be among those that wait."""
        gift = self.gift_shown()
        self.answers.update(issuer=gift.issuer, amount=gift.amount, recipient=gift.recipient)
        return gift

    def _giver(self) -> Member:
        assert self.member is not None, "only givers get here"
        return self.member
