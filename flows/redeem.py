"""Redeem: a one-time code for one certificate, or for all that a shop takes together, to show at a till.

> PAY                 < Which one will you use? 1. All together, up to KES 1,500 2. Naivas KES 500 3. Giftline KES 1,000
> 1                   < The most it may pay, or 0 for all of KES 1,500.
> 0                   < A one-time code for all that the shop takes of your certificates, up to KES 1,500. Enter your PIN ...
> ****                < Code 4821 7730 1926. Show it to the clerk before 14:32 ...
"""

from datetime import datetime

from bot import parsing
from bot.dialog import Ask, Choose, Detour, End, Go, Option, Sign, move
from circulation import one_time_codes, wallet
from circulation.money import Money
from circulation.refusals import Refusal
from flows.holding import Holding


class Redeem(Holding):
    title = "Redeem"
    keywords = {"PAY": "open", "CODE": "open", "LIPA": "open"}
    steps = [
        Choose(
            "nothing",
            "You hold nothing to use yet.",
            options={"buy": "Buy a certificate"},
            drop="leave",
        ),
        Detour("pin", flow="pin"),
        Choose("certificate", "Which one will you use?", options="payable", drop="restart"),
        Ask("limit", "The most it may pay, or 0 for all of {amount}.", parse="a_limit", zero=True),
        Sign("confirm", "A one-time code for {issuer}, up to {most}."),
        Sign("confirm_together", "A one-time code for all that the shop takes of your certificates, up to {most}."),
        End("code", "Code {code}. Show it to the clerk before {until}. It pays up to {most}. Tell it to nobody else."),
        End("stopped", "No code was made."),
        Go("buy", flow="buy"),
    ]
    moves = [
        move("open", "start", "nothing", unless="holds_something"),
        move("open", "start", "pin", when="pin_missing"),
        move("open", "start", "limit", when="chosen_before"),
        move("open", "start", "certificate"),
        move("buy", "nothing", "buy"),
        move("chosen", "pin", "limit", when="chosen_before"),
        move("chosen", "pin", "certificate"),
        move("answered", "certificate", "limit"),
        move("answered", "limit", "confirm_together", when="together"),
        move("answered", "limit", "confirm"),
        move("signed", "confirm", "code", do="ask_code"),
        move("stopped", "confirm", "stopped"),
        move("signed", "confirm_together", "code", do="ask_code"),
        move("stopped", "confirm_together", "stopped"),
    ]
    holes = {
        "issuer": "W" * 24,
        "amount": Money(100_000_050, "KES"),
        "most": Money(100_000_050, "KES"),
        "code": "1234 5678 9012",
        "until": datetime.fromisoformat("2026-11-30T23:59:00+00:00"),
    }

    def payable(self) -> list[Option]:
        """All that one shop takes together, when that is more than one; then each certificate."""
        together = wallet.together(self.db, self.rules, self.member.id) if self.member else None
        if together is None:
            return self.held()
        everything = ",".join(map(str, together.certificates))
        return [Option(everything, "All together, up to {amount}", {"amount": together.most}), *self.held()]

    def together(self) -> bool:
        return len(self._certificates()) > 1

    def amount(self) -> Money:
        """The most that one shop takes of what was chosen."""
        member, certificates = self.member, self._certificates()
        assert member is not None, "only holders get here"
        if len(certificates) == 1:
            return self.chosen.balance
        return wallet.most(self.db, self.rules, member.id, certificates)

    def a_limit(self, text: str) -> Money | None:
        """The most the code may pay; None: all of it."""
        if text.strip() == "0":
            return None
        balance = self.amount()
        limit = Money(parsing.amount(text, balance.currency, self.rules.most_amount_minor), balance.currency)
        if limit.amount_minor > balance.amount_minor:
            raise Refusal("over_together" if self.together() else "over_balance", balance=balance)
        return limit

    def most(self) -> Money:
        limit = self.answers["limit"]
        return limit if isinstance(limit, Money) else self.amount()

    def ask_code(self) -> None:
        limit, member = self.answers["limit"], self.member
        assert member is not None, "only holders get here"
        code = one_time_codes.ask_code(
            self.db,
            self.rules,
            code_id=self.id,
            holder=member,
            certificates=self._certificates(),
            limit=limit if isinstance(limit, Money) else None,
            receipt=self.in_dialog(),
        )
        self.answers.update(code=code.code, until=code.until, most=code.limit)

    def _certificates(self) -> list[int]:
        """The certificates that were chosen from the list as it was shown."""
        return [int(id_) for id_ in str(self.answers["certificate"]).split(",")]
