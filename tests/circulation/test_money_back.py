"""Whatever is done in whatever order to a purchase and its end: nothing is had twice, and nothing is missing."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circulation import books, disputes, gifting, ways_back
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from payments.gateway import Dispute
from tests.endings import Endings, rules_for
from tests.people import People

FACE = 50_000
SHEETS = 3
ACTIONS = (
    *("spend", "give", "cash out", "refund", "paid") * 4,
    *("offer", "accept", "decline", "opened", "lost", "a month", "chores") * 2,
    "spend all", "give back", "extend", "failed", "won", "reversed", "a year", "a year", "six years",
)  # fmt: skip
"""What may happen, some of it oftener."""


class Story:
    """One purchase in Korea, over some rail; its buyer, and a friend who is given some of it. Anybody may try anything."""

    def __init__(self, shop: Endings, rail: str) -> None:
        self.shop = shop
        self.amina, self.baraka = shop.people.member("Amina"), shop.people.member("Baraka")
        self.start = date(2027, 3, 1)
        shop.on(self.start)
        self.rail = rail
        self.purchase = shop.buy(self.amina, rail, sheets=SHEETS, amount_minor=FACE, currency="KRW")
        self.sheets = shop.sheets(self.purchase)
        self.refunds: list[str] = []
        self.gifts: list[str] = []

    def do(self, action: str, number: int) -> None:
        """Do it to one of the sheets, as one of the two. A refusal is an answer."""
        sheet, who = self.sheets[number % SHEETS], (self.amina, self.baraka)[number // SHEETS % 2]
        try:
            self._acts(sheet, who)[action]()
        except Refusal as no:
            assert no.code in {
                "not_returnable", "not_yours", "nothing_left", "not_extendable", "cash_out_not_here", "gift_answered",
                "gift_lapsed", "over_balance", "over_code", "own_number", "expired", "code_refused",
            }  # fmt: skip

    def _acts(self, sheet: int, who: Member) -> dict[str, Callable[[], object]]:
        shop = self.shop
        return {
            "spend": lambda: shop.spend(who, sheet, Money(31_000, "KRW")),
            "spend all": lambda: shop.spend(who, sheet, Money(shop.left(sheet)[0] or 1, "KRW")),
            "give": lambda: self._give(who, sheet),
            "offer": lambda: self._offer(who, sheet),
            "accept": lambda: self._answer(gifting.accept),
            "decline": lambda: self._answer(gifting.decline),
            "give back": lambda: self._give_back(who),
            "cash out": lambda: self._cash_out(who),
            "refund": lambda: self._refund(who),
            "extend": lambda: shop.extend(who, sheet),
            "paid": lambda: self._rail_says(shop.paid),
            "failed": lambda: self._rail_says(shop.failed),
            "opened": lambda: self._dispute("open", sheet),
            "won": lambda: self._dispute("won", sheet),
            "lost": lambda: self._dispute("lost", sheet),
            "reversed": self._reversed,
            "a month": lambda: self._pass(31),
            "a year": lambda: self._pass(366),
            "six years": lambda: self._pass(6 * 366),
            "chores": self.chores,
        }

    def _give_back(self, who: Member) -> None:
        for one in self.shop.returnable(who):
            self.refunds.append(self.shop.give_back(who, one.purchase_id, one.amount))

    def _cash_out(self, who: Member) -> None:
        for one in self.shop.rests(who)[:1]:
            self.refunds.append(self.shop.cash_out(who, one.certificate_id, one.amount))

    def _refund(self, who: Member) -> None:
        for one in self.shop.ended(who)[:1]:
            self.refunds.append(self.shop.refund(who, one.certificate_id, one.share))

    def _rail_says(self, verb: Callable[[str], None]) -> None:
        for one in self.refunds[-1:]:
            verb(one)

    def _give(self, giver: Member, sheet: int) -> None:
        self._offer(giver, sheet)
        self._answer(gifting.accept)

    def _offer(self, giver: Member, sheet: int) -> None:
        other = self.baraka if giver is self.amina else self.amina
        self.gifts.append(self.shop.people.gift(giver, sheet, other.msisdn))

    def _answer(self, verb: Callable[..., None]) -> None:
        for gift in self.gifts[-1:]:
            query = "SELECT msisdn FROM member WHERE id = (SELECT recipient_id FROM gift WHERE id = :id)"
            msisdn = self.shop.people.value(query, id=gift)
            recipient = next(one for one in (self.amina, self.baraka) if one.msisdn.e164 == msisdn)
            with self.shop.people.database.begin() as db:
                verb(db, self.shop.rules, gift_id=gift, recipient=recipient)

    def _dispute(self, state: str, sheet: int) -> None:
        if self.rail != "phone_bill":
            share = 20_000 * (1 + sheet % 3)
            self.shop.dispute(self.purchase, Dispute(f"{self.purchase} {share}", share, "KRW", state))  # type: ignore[arg-type]

    def _reversed(self) -> None:
        if self.rail != "phone_bill":
            with self.shop.people.database.begin() as db:
                disputes.reversed_by_rail(db, self.shop.rules, charge_id=self.purchase)

    def _pass(self, days: int) -> None:
        self.start += timedelta(days=days)
        self.shop.on(self.start)
        self.chores()

    def chores(self) -> None:
        self.shop.hold_again()
        self.shop.expire()
        self.shop.end_limitation()
        self.shop.remind()


@pytest.fixture
def shop(people: People) -> Endings:
    return Endings(people, rules_for(people, pack="KR", currency="KRW"))


FIGURES = {
    "certificates whose value is not where their state says": """
        SELECT count(*) FROM certificate c
        LEFT JOIN account a ON a.code = '2100' AND a.owner = c.id::text LEFT JOIN balance b ON b.account_id = a.id
        LEFT JOIN account r ON r.code = '2130' AND r.owner = c.id::text LEFT JOIN balance d ON d.account_id = r.id
        WHERE (c.state <> 'live' AND b.amount_minor > 0) OR (c.state <> 'expired' AND d.amount_minor > 0)""",
    "losses that are not our expense": """
        SELECT (SELECT coalesce(sum(loss_minor), 0) FROM dispute)
             - (SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code = '5030')""",
    "cash-outs that do not rest in transit": """
        SELECT (SELECT coalesce(sum(amount_minor), 0) FROM refund WHERE why = 'cash_out' AND state NOT IN ('paid', 'failed'))
             + (SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code = '2310')""",
    "charges of which more went back than was charged": """
        SELECT count(*) FROM charge h
        WHERE h.amount_minor < (SELECT sum(amount_minor) FROM refund WHERE charge_id = h.id AND payment_id IS NULL)""",
    "buyers who hold what their bank took back and is our loss": """
        SELECT count(*) FROM dispute d JOIN charge h ON h.id = d.charge_id
        JOIN certificate c ON c.purchase_id = h.purchase_id AND c.holder_id = h.payer_id
        JOIN account a ON a.code IN ('2100', '2130') AND a.owner = c.id::text JOIN balance b ON b.account_id = a.id
        WHERE d.loss_minor > 0 AND b.amount_minor > 0""",
    "what was lent and became cash": ways_back.CASHED_OUT_WRONGLY,
    "balances that differ from their postings": books.PROOFS["guarded balances that differ from their postings"],
}


def figures(shop: Endings) -> dict[str, int]:
    return {name: int(shop.people.value(query)) for name, query in FIGURES.items()}


@pytest.mark.parametrize("rail", ["phone_bill", "card", "bank"])
def test_nothing_is_had_twice_and_nothing_is_missing(shop: Endings, rail: str) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2 * SHEETS - 1)), min_size=10, max_size=20))
    def told(steps: list[tuple[str, int]]) -> None:
        before = figures(shop)  # a story that went wrong is not the fault of those after it
        story = Story(shop, rail)
        for action, number in steps:
            story.do(action, number)
        story.chores()
        assert figures(shop) == before

    told()
    assert figures(shop) == dict.fromkeys(FIGURES, 0)
    assert shop.people.books_in_order()
