"""The stories of docs/money.md, played by the product's own verbs, and their postings as the page shows them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from bot.chores import Chores
from circulation import (
    catalogue,
    chart,
    gifting,
    group_records,
    groups,
    payouts,
    recalling,
    receipts,
    redemption,
    sales,
    store_returns,
)
from circulation.catalogue import Clerk
from circulation.law_rules import Band, CashOut, RefundAfterExpiry
from circulation.members import Member
from circulation.msisdn import Msisdn
from payments.gateway import Dispute
from tests.endings import Endings, kes, terms

TILL = "+254700000101"
"""The till of Soko Bora Westlands, whose commission is 3 %."""

Posting = tuple[str, str, str, str]
"""One row of a table: account with its name, whose it is, debit, credit."""


@dataclass
class World:
    """Where one story of the page is played, by the product's own verbs. `names` says what the page calls a certificate."""

    shop: Endings
    names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.people = self.shop.people
        self.amina, self.baraka = self.people.member("Amina"), self.people.member("Baraka")

    def do(self, verb: Callable[..., Any], **named: Any) -> Any:
        """A verb that is given the rules, in a transaction of its own."""
        with self.people.database.begin() as db:
            return verb(db, self.shop.rules, **named)

    def pair(self, purchase_id: str) -> list[int]:
        """The two sheets of a purchase, by their names on the page."""
        first, second = self.shop.sheets(purchase_id)
        self.names.update({first: "first sheet", second: "second sheet"})
        return [first, second]

    def till(self) -> Clerk:
        """The clerk of the store on the page."""
        with self.people.database.begin() as db:
            clerk = catalogue.clerk(db, Msisdn(TILL))
        assert clerk is not None
        return clerk

    def hold(self, holder: Member, amount_minor: int, *sheets: int) -> str:
        """The store holds so much with a code for these sheets; the use's id."""
        use_id, digits = str(uuid4()), self.people.code(holder, *sheets)
        self.do(redemption.authorise, use_id=use_id, clerk=self.till(), code=digits, amount=kes(amount_minor))
        return use_id

    def answered(self, certificate: int, verb: Callable[..., Any]) -> None:
        """Amina gives a sheet to Baraka, who answers."""
        gift = self.people.gift(self.amina, certificate, self.baraka.msisdn)
        self.do(verb, gift_id=gift, recipient=self.baraka)

    def chores(self) -> Chores:
        """What the worker does by itself."""
        return Chores(self.people.database, self.shop.rules, conversation_seconds=60)

    def refund_of(self, why: str) -> str:
        """The newest refund for this reason that was not answered by its rail."""
        query = "SELECT id::text FROM refund WHERE why = :why AND state = 'new' ORDER BY created_at DESC LIMIT 1"
        return str(self.people.value(query, why=why))

    def entries(self) -> dict[str, list[list[Posting]]]:
        """The postings of every entry as the page shows them, by kind, in the order in which they were posted."""
        query = """
            SELECT e.id, e.kind, a.code, a.owner, p.amount_minor FROM posting p JOIN account a ON a.id = p.account_id
            JOIN journal_entry e ON e.id = p.entry_id ORDER BY p.id"""
        owners = self._owners()
        found: dict[str, dict[int, list[Posting]]] = {}
        for entry, kind, account, owner, minor in self.people.rows(query):
            amount = f"{abs(minor) // 100:,}.{abs(minor) % 100:02d}"
            debit, credit = (amount, "") if minor > 0 else ("", amount)
            name, whose = f"{account} {chart.ACCOUNTS[account]}", owners(account, owner)
            found.setdefault(kind, {}).setdefault(entry, []).append((name, whose, debit, credit))
        return {kind: list(entries.values()) for kind, entries in found.items()}

    def _owners(self) -> Callable[[str, str], str]:
        stores: dict[str, str] = {row.id: row.name for row in self.people.rows("SELECT id::text, name FROM store")}
        ordinals = ("first payment", "second payment", "third payment")
        payments = [str(row.id) for row in self.people.rows("SELECT id FROM payment ORDER BY created_at")]
        paid = dict(zip(payments, ordinals, strict=False))
        disputes = [row.id for row in self.people.rows("SELECT id::text FROM dispute")]

        def whose(account: str, owner: str) -> str:
            match account:
                case "2100" | "2130":
                    return self.names.get(int(owner), "the sheet")
                case "2120":
                    return "the chargeback" if owner in disputes else "the use"
                case "2060":
                    return paid[owner]
                case "2200":
                    return stores[owner]
            return _WHOSE.get(account, owner)

        return whose


_WHOSE = {
    "1140": "the chargeback",
    "2055": "the group gift",
    "2110": "the gift",
    "2210": "the payout",
    "2300": "the refund",
    "2310": "the refund",
}


# The stories ----------------------------------------------------------------------------------------------------------


def bought_given_and_used(world: World) -> None:
    first, second = world.pair(world.shop.buy(world.amina, "phone_bill", sheets=2))
    world.answered(first, gifting.accept)
    world.answered(second, gifting.decline)
    taken_back = world.people.gift(world.amina, second, world.baraka.msisdn)
    world.do(recalling.recall, gift_id=taken_back, giver=world.amina, receipt=False)
    world.people.gift(world.amina, second, world.baraka.msisdn)
    digits = world.people.code(world.baraka, first)
    world.do(redemption.use, use_id=str(uuid4()), clerk=world.till(), code=digits, amount=kes(35_000))
    world.people.database.clock_offset = "8 days"
    world.chores().lapse_gifts()


def paid_over_another_rail(world: World) -> None:
    for rail in ("mpesa", "card", "carrier_billing", "bank"):
        world.shop.buy(world.amina, rail)


def paid_in_two_parts_and_too_much(world: World) -> None:
    placed = order(world, "bank")
    for receipt, minor in (("B-1", 30_000), ("B-2", 31_000)):
        world.do(receipts.received, charge_id=placed, receipt=receipt, amount=kes(minor))
    world.shop.paid(world.refund_of("wrong_amount"))


def given_back_unused(world: World) -> None:
    purchase = world.shop.buy(world.amina, "card", sheets=2)
    first, _ = world.pair(purchase)
    world.shop.give(world.amina, first, world.baraka)
    world.shop.paid(world.shop.give_back(world.amina, purchase, kes(51_000)))


def taken_back_by_the_bank(world: World) -> None:
    outcomes: tuple[Literal["lost", "won"], ...] = ("lost", "won")
    for decided in outcomes:
        purchase = world.shop.buy(world.amina, "card", sheets=2)
        first, _ = world.pair(purchase)
        gift = world.people.gift(world.amina, first, world.baraka.msisdn)
        world.shop.dispute(purchase, Dispute(f"dp_{decided}", 102_000, "KES", "open"))
        world.shop.dispute(purchase, Dispute(f"dp_{decided}", 102_000, "KES", decided))
        if decided == "lost":
            world.do(gifting.decline, gift_id=gift, recipient=world.baraka)
            assert world.shop.hold_again() == 1


def given_together(world: World) -> None:
    for paid in (3, 2):
        group = group_of_three(world)
        for _ in range(2):
            _join(world, group)
        for part in _parts(world, group)[:paid]:
            world.do(receipts.received, charge_id=part, receipt=str(uuid4()), amount=kes(17_000))
        world.chores().end_group_gifts()
    with world.people.database.begin() as db:
        groups.call_off(db, group_id=group, organiser=world.amina)
    world.chores().end_group_gifts()


def held_first_and_given_back(world: World) -> None:
    first, second = world.pair(world.shop.buy(world.amina, "phone_bill", sheets=2))
    use, till = world.hold(world.amina, 70_000, first, second), world.till()
    world.do(redemption.capture, use_id=use, clerk=till, amount=kes(60_000))
    reference = world.people.value("SELECT reference FROM redemption WHERE id = :id", id=use)
    world.do(store_returns.refund, refund_id=str(uuid4()), clerk=till, reference=reference, amount=kes(15_000))
    undone = world.hold(world.amina, 20_000, second)
    world.do(redemption.capture, use_id=undone, clerk=till, amount=kes(20_000))
    world.do(store_returns.reverse, use_id=undone, clerk=till)
    world.do(redemption.void, use_id=world.hold(world.amina, 30_000, second), clerk=till)
    world.hold(world.amina, 30_000, second)
    world.people.database.clock_offset = "1 hour"
    assert world.chores().time_out_holds() == 1


def paid_to_the_store(world: World) -> None:
    sheet = world.shop.certificate(world.amina, "phone_bill")
    for minor, ends in ((35_000, [payouts.paid]), (15_000, [payouts.failed, payouts.paid])):
        digits, payout = world.people.code(world.amina, sheet), str(uuid4())
        world.do(redemption.use, use_id=str(uuid4()), clerk=world.till(), code=digits, amount=kes(minor))
        with world.people.database.begin() as db:
            payouts.start(db, payout_id=payout, store_id=world.till().store_id, currency="KES")
        for end in ends:
            with world.people.database.begin() as db:
                end(db, payout_id=payout)


def ended(world: World) -> None:
    shop, kenya = world.shop, world.shop.rules
    rest = CashOut(applies_to_general_use=True, source="the example", balance_below_minor=10_000)
    share = RefundAfterExpiry(shares=(Band(face_above_minor=0, bps=9_000),), source="the example")
    example = terms(kenya, cash_out=rest, refund_after_expiry=share)
    extended = shop.certificate(world.amina, "mpesa")
    shop.rules = example
    own, *given = [shop.certificate(world.amina, "mpesa") for _ in range(3)]
    shop.spend(world.amina, own, kes(44_000))
    shop.paid(shop.cash_out(world.amina, own, kes(6_000)))
    for sheet, ends in zip(given, (shop.paid, shop.failed), strict=True):
        shop.give(world.amina, sheet, world.baraka)
        shop.spend(world.baraka, sheet, kes(44_000))
        ends(shop.cash_out(world.baraka, sheet, kes(6_000)))
    refunded, forgotten = shop.sheets(shop.buy(world.amina, "mpesa", sheets=2))
    shop.past_end(extended)
    shop.extend(world.amina, extended)
    shop.past_end(refunded)
    shop.paid(shop.refund(world.amina, refunded, kes(45_000)))
    shop.past_end(extended)
    for years in (6, 8):
        shop.before_end(forgotten, -366 * years)
        shop.end_limitation()


STORIES: Mapping[str, Callable[[World], None]] = {
    "### Bought on the phone bill, given and used": bought_given_and_used,
    "### Paid over another rail": paid_over_another_rail,
    "### Paid in two parts, and too much": paid_in_two_parts_and_too_much,
    "### Given back unused": given_back_unused,
    "### Taken back by the payer's bank": taken_back_by_the_bank,
    "### Given by several": given_together,
    "### Held first, and given back by the store": held_first_and_given_back,
    "### Paid to the store": paid_to_the_store,
    "### Ended": ended,
}


def order(world: World, rail: str) -> str:
    """An order of one sheet that waits for its money; its id."""
    price, order_id = world.shop.price("SB", 50_000, "KES"), str(uuid4())
    asked = {"purchase_id": order_id, "buyer": world.amina, "denomination_id": price, "sheets": 1, "rail": rail}
    world.do(sales.order, **asked, expected=kes(51_000))
    return order_id


def group_of_three(world: World) -> str:
    """A group gift in three parts, the first of them Amina's; its id."""
    group = str(uuid4())
    begun: dict[str, Any] = {"group_id": group, "organiser": world.amina, "recipient": world.baraka.msisdn, "note": ""}
    price = {"denomination_id": world.shop.price("SB", 50_000, "KES"), "expected": kes(51_000)}
    shares = group_records.among(kes(51_000), 3)
    world.do(groups.begin, **begun, **price, shares=shares, days=7, rail="mpesa", receipt=False)
    return group


def _join(world: World, group: str) -> None:
    giver: dict[str, Any] = {"part_id": str(uuid4()), "giver": world.people.member("Chebet"), "group_id": group}
    world.do(groups.join, **giver, expected=kes(17_000), rail="mpesa", again=False)


def _parts(world: World, group: str) -> list[str]:
    query = "SELECT id::text FROM group_part WHERE group_id = :group ORDER BY place"
    return [row.id for row in world.people.rows(query, group=group)]
