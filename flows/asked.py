"""Asked: a shop scanned your picture and asks you to pay. Nothing is paid unless you agree on your own phone.

< Naivas Westlands asks KES 300 of your Naivas certificate. Are you paying there now? 1. Pay 2. Do not pay
> 1                   < Pay KES 300 to Naivas Westlands with Naivas? Enter your PIN to agree, or 0 to stop.
> ****                < Paid: KES 300 to Naivas Westlands. Ref 7KQ4MXW2.
"""

from functools import cached_property

from bot.dialog import Choose, Detour, End, Flow, Sign, Waiting, move
from circulation import gifting, payment_requests
from circulation.members import Member
from circulation.money import Money
from circulation.payment_requests import Asked as Request
from circulation.refusals import Refusal


class Asked(Flow):
    title = "A shop asks"
    steps = [
        Choose(
            "question",
            "{store} asks {amount} of your {issuer} certificate. Are you paying there now?",
            options={"pay": "Pay", "refuse": "Do not pay"},
        ),
        Detour("pin", flow="pin"),
        Sign("confirm", "Pay {amount} to {store} with {issuer}?"),
        End("paid", "Paid: {amount} to {store}. Ref {reference}."),
        End("refused", "Nothing was paid. We told {store}."),
        End("over", "Nothing was paid."),
        End("none", "No shop asks you to pay now."),
    ]
    moves = [
        move("open", "start", "none", unless="there_is_one"),
        move("open", "start", "question"),
        move("pay", "question", "pin", when="pin_missing"),
        move("pay", "question", "confirm"),
        move("refuse", "question", "refused", do="refuse", refused="over"),
        move("chosen", "pin", "confirm"),
        move("signed", "confirm", "paid", do="pay", refused="over"),
        move("stopped", "confirm", "refused", do="refuse", refused="over"),
    ]
    holes = {
        "store": "W" * 30,
        "issuer": "W" * 24,
        "amount": Money(100_000_050, "KES"),
        "reference": "W" * 8,
    }

    def waiting(self) -> Waiting | None:
        request = self._request
        if request is None:
            return None
        # a bare 1 or 2 could answer a gift as well: then the question is shown first
        alone = not gifting.offers(self.db, self.phone)
        return Waiting(request.id, request.age_seconds, alone)

    def there_is_one(self) -> bool:
        return self._request is not None

    def store(self) -> str:
        return self._asked().store

    def issuer(self) -> str:
        return self._asked().issuer

    def amount(self) -> Money:
        return self._asked().amount

    def pay(self) -> None:
        request = self._remember()
        paid = payment_requests.agree(self.db, self.rules, request_id=request.id, holder=self._holder())
        self.answers["reference"] = paid.reference

    def refuse(self) -> None:
        request = self._remember()
        payment_requests.refuse(self.db, self.rules, request_id=request.id, holder=self._holder())

    def _remember(self) -> Request:
        """What the last word will name; once answered, the request no longer waits."""
        request = self._asked()
        self.answers.update(store=request.store, issuer=request.issuer, amount=request.amount)
        return request

    def _asked(self) -> Request:
        """The request this conversation is about. Raises Refusal `request_over` when it waits no more."""
        request = self._request
        if request is None or self.answers.get("about") not in (None, request.id):
            raise Refusal("request_over")
        self.answers["about"] = request.id
        return request

    def _holder(self) -> Member:
        assert self.member is not None, "only holders are asked"
        return self.member

    @cached_property
    def _request(self) -> Request | None:
        """What is asked of this phone now, read once a turn."""
        return payment_requests.waiting(self.db, self.member) if self.member else None
