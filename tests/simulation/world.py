"""A small world of buyers, recipients, clerks and hostile rails that does anything at all, from one seed.

Whatever happens is done by the product's own verbs and its worker, over real HTTP to the fakes; the fakes' own books say
what was truly taken. A refusal is an answer like any other. What the world may not do is lose or double value.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from bot.chores import Chores
from circulation import gifting, members, recalling, redemption, refunds, store_returns, wallet
from circulation.bank import import_statement
from circulation.catalogue import Clerk
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from payments import bank_statement
from payments.bank_reference import creditor_reference
from payments.fakes.bank import garbled
from payments.fakes.people import Answer
from tests.paying import Paying

RAILS = ("phone_bill", "mpesa", "momo", "card", "bank", "carrier_billing")
ANSWERS: tuple[Answer, ...] = ("pay", "pay", "pay", "decline", "no_funds", "wrong_pin")
PRICES = (("GL", 20_000), ("GL", 50_000), ("SB", 20_000), ("SB", 50_000), ("TU", 25_000))
JUMPS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=3), timedelta(days=2))


@dataclass
class World:
    """One seed's world. Call `step` as often as wanted, then `settle`."""

    till: Paying
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        till = self.till
        self.people = [till.people.member(f"Person {number}") for number in range(12)]
        self.clerks = [
            till.people.clerk("GL", "SB"),
            till.people.clerk("GL", "TU"),
            till.people.clerk("GL", "SB", "TU"),
        ]
        self.chores = Chores(till.database, till.rules, conversation_seconds=86_400)
        self.ahead = timedelta()
        self.orders: list[tuple[str, str, Member]] = []
        self.uses: list[tuple[str, str, Clerk]] = []
        self.imported: list[bytes] = []
        self.paid_back: set[str] = set()
        self.acts: list[tuple[int, Callable[[], object]]] = [
            (12, self.order),
            (14, self.payer_acts),
            (6, self.network_code),
            (5, self.transfer),
            (4, self.bank_statement),
            (3, self.operator_pays),
            (12, self.callback),
            (22, self.worker),
            (5, self.time_passes),
            (10, self.give),
            (10, self.answer_gift),
            (3, self.recall),
            (12, self.use),
            (4, self.store_gives_back),
            (3, self.buyer_gives_back),
            (2, self.bank_takes_back),
            (2, self.bank_decides),
            (2, self.rail_changes_its_mind),
        ]

    def step(self) -> None:
        """One operation, chosen by weight; a refusal counts as done."""
        weights, acts = zip(*self.acts, strict=True)
        act = self.dice.choices(acts, weights)[0]
        name = act.__name__
        try:
            act()
        except Refusal as refusal:
            name = f"{name}: {refusal.code}"
        self.done[name] += 1

    def settle(self) -> None:
        """Faults end, every callback arrives, the worker looks until nothing is open, and everything unanswered is answered."""
        for faults in self.till.rails.faults.values():
            faults.rest()
        for _ in range(3):
            self.till.rails.calls.make_all()
            self.bank_statement()
            self.till.rounds(2)
        for jump in (timedelta(hours=2), timedelta(days=8), timedelta(days=4)):
            self.move(jump)
            self.till.rails.calls.make_all()
            self.till.rounds(3)
        self.move(timedelta(days=3 * 365))
        while self.chores.end_certificates():
            pass

    # Buying -----------------------------------------------------------------------------------------------------------
    def order(self) -> None:
        """Somebody orders one to three sheets over any rail."""
        prefix, worth = self.dice.choice(PRICES)
        rail, buyer, sheets = self.dice.choice(RAILS), self.somebody(), self.dice.randint(1, 3)
        if rail == "phone_bill":
            self.till.people.certificates(buyer, sheets, prefix, worth)
            return
        charge_id = self.till.order(buyer, rail, sheets=sheets, prefix=prefix, amount_minor=worth)
        self.orders.append((charge_id, rail, buyer))

    def payer_acts(self) -> None:
        """Somebody answers what a rail asks of them."""
        rails, payer = self.till.rails, self.somebody()
        for fake in (rails.mpesa, rails.momo):
            for prompt in fake.prompts(payer.msisdn.e164)[:1]:
                fake.answer(prompt.id, self.dice.choice(ANSWERS))
        open_pages = [name for name, session in list(rails.card.sessions.items()) if session.status == "open"]
        if open_pages:
            rails.card.answer(self.dice.choice(open_pages), self.dice.choice(ANSWERS))

    def network_code(self) -> None:
        """Somebody types their network's code, rightly or not."""
        payer = self.somebody()
        waiting = self.till.people.rows(
            "SELECT id::text FROM charge WHERE payer_id = :payer AND state = 'needs_code'", payer=payer.id
        )
        codes = self.till.rails.carrier.codes(payer.msisdn.e164)
        if waiting and codes:
            self.till.type_code(payer, self.dice.choice(waiting)[0], self.dice.choice([codes[-1], "000000"]))

    def transfer(self) -> None:
        """Somebody pays at the bank: rightly, too much, too little, twice, or with a reference nobody knows."""
        waiting = [order for order in self.orders if order[1] == "bank"]
        if not waiting:
            return
        charge_id, _, payer = self.dice.choice(waiting[-6:])
        price = int(self.till.people.value("SELECT amount_minor FROM charge WHERE id = :id", id=charge_id))
        amount = self.dice.choice([price, price, price, price // 2, price + 700, 100])
        reference = creditor_reference(self.till.reference(charge_id))
        text = self.dice.choice([reference, reference, f"gift {reference.lower()} thanks", garbled(reference)])
        name = self.till.rails.bank.transfer(payer.msisdn.e164, text, amount, "KES")
        if self.dice.random() < 0.1:
            self.till.rails.bank.transfer_again(name)

    def bank_statement(self) -> None:
        """The bank's statement comes; now and then an old one once more."""
        self.imported.append(self.till.rails.bank.statement())
        for data in [self.imported[-1], *self.dice.sample(self.imported, 1)]:
            with self.till.database.begin() as db:
                import_statement(db, self.till.rules, bank_statement.read("day.xml", data))

    def operator_pays(self) -> None:
        """The operator pays a refund by bank, with the refund's reference."""
        owed = self.till.people.rows("""
            SELECT r.reference, r.amount_minor, m.msisdn FROM refund r JOIN member m ON m.id = r.payee_id
            WHERE r.rail = 'bank' AND r.state <> 'paid' ORDER BY r.created_at""")
        for reference, minor, msisdn in owed[:1]:
            if reference not in self.paid_back:
                self.paid_back.add(reference)
                self.till.rails.bank.pay_out(msisdn, creditor_reference(reference), minor, "KES")

    def callback(self) -> None:
        """A callback arrives: any of those that wait, in any order, some of them twice, some forged."""
        calls = self.till.rails.calls
        if calls.waiting:
            calls.make(self.dice.choice(calls.waiting))
        if calls.made and self.dice.random() < 0.3:
            calls.make(self.dice.choice(calls.made))
        if self.orders and self.dice.random() < 0.1:
            base = self.till.services.settings.public_base_url
            calls.make(self.till.rails.mpesa.forge(f"{base}/webhooks/payments/daraja/guess/{self.orders[-1][0]}"))

    def worker(self) -> None:
        """The worker's round, of what is due or of everything."""
        if self.dice.random() < 0.15:
            self.till.due()
        self.till.charging()
        self.chores.lapse_gifts()
        self.chores.send_gifts()
        self.chores.expire_codes()

    def time_passes(self) -> None:
        """A while."""
        self.move(self.dice.choice(JUMPS))

    def move(self, by: timedelta) -> None:
        """The product's clock goes on."""
        self.ahead += by
        self.till.database.clock_offset = f"{self.ahead.total_seconds()} seconds"

    # Giving -----------------------------------------------------------------------------------------------------------
    def give(self) -> None:
        """Somebody gives one of their certificates to somebody."""
        giver, recipient = self.dice.sample(self.people, 2)
        certificate = self.held_by(giver)
        if certificate is not None:
            self.till.people.gift(giver, certificate, recipient.msisdn)

    def answer_gift(self) -> None:
        """Somebody answers a gift."""
        recipient = self.somebody()
        with self.till.database.begin() as db:
            waiting = gifting.offers(db, recipient.msisdn)
        if waiting:
            answer = self.dice.choice([gifting.accept, gifting.accept, gifting.decline])
            with self.till.database.begin() as db:
                answer(db, self.till.rules, gift_id=self.dice.choice(waiting).id, recipient=recipient)

    def recall(self) -> None:
        """Somebody takes a gift back."""
        giver = self.somebody()
        with self.till.database.begin() as db:
            open_gifts = recalling.unanswered(db, giver.id)
        if open_gifts:
            with self.till.database.begin() as db:
                recalling.recall(
                    db, self.till.rules, gift_id=self.dice.choice(open_gifts).id, giver=giver, receipt=True
                )

    # Using ------------------------------------------------------------------------------------------------------------
    def use(self) -> None:
        """Somebody pays in a shop: all of a certificate or a part, or more than there is."""
        holder, clerk = self.somebody(), self.dice.choice(self.clerks)
        certificate = self.held_by(holder)
        if certificate is None:
            return
        code = self.till.people.code(holder, certificate)
        use_id = str(uuid4())
        amount = Money(self.dice.choice([5_000, 20_000, 25_000, 12_345, 50_000, 999]), "KES")
        with self.till.database.begin() as db:
            used = redemption.use(db, self.till.rules, use_id=use_id, clerk=clerk, code=code, amount=amount)
        self.uses.append((use_id, used.reference, clerk))

    def store_gives_back(self) -> None:
        """A store gives a part of a use back, or undoes it, or undoes one that it never made."""
        if not self.uses:
            return
        use_id, reference, clerk = self.dice.choice(self.uses)
        with self.till.database.begin() as db:
            match self.dice.randrange(4):
                case 0:
                    store_returns.reverse(db, self.till.rules, use_id=use_id, clerk=clerk)
                case 1:
                    store_returns.reverse(db, self.till.rules, use_id=str(uuid4()), clerk=clerk)
                case _:
                    amount = Money(self.dice.choice([500, 3_333, 12_345]), "KES")
                    refund_id = str(uuid4())
                    store_returns.refund(
                        db, self.till.rules, refund_id=refund_id, clerk=clerk, reference=reference, amount=amount
                    )

    # Money back -------------------------------------------------------------------------------------------------------
    def buyer_gives_back(self) -> None:
        """Somebody gives a purchase back."""
        buyer = self.somebody()
        with self.till.database.begin() as db:
            offers = refunds.returnable(db, self.till.rules, buyer)
        if offers:
            offer = self.dice.choice(offers)
            with self.till.database.begin() as db:
                refunds.give_back(
                    db,
                    self.till.rules,
                    refund_id=str(uuid4()),
                    buyer=buyer,
                    purchase_id=offer.purchase_id,
                    expected=offer.amount,
                    receipt=True,
                )

    def bank_takes_back(self) -> None:
        """Somebody's bank takes a card payment back for now."""
        card = self.till.rails.card
        settled = {one["payment_intent"] for one in [*card.disputes.values(), *card.refunds.values()]}
        paid = [name for name, session in card.sessions.items() if session.paid and session.intent not in settled]
        if paid:
            self.till.rails.card.dispute(self.dice.choice(paid))

    def bank_decides(self) -> None:
        """A bank decides a chargeback."""
        open_ones = [name for name, one in self.till.rails.card.disputes.items() if one["status"] == "needs_response"]
        if open_ones:
            self.till.rails.card.close_dispute(self.dice.choice(open_ones), self.dice.choice(["won", "lost"]))

    def rail_changes_its_mind(self) -> None:
        """A prompt that had failed or expired was paid after all."""
        failed = [id_ for id_, one in self.till.rails.momo.requests.items() if one.status == "FAILED"]
        if failed:
            self.till.rails.momo.settle(self.dice.choice(failed), "SUCCESSFUL")

    # Who and what -----------------------------------------------------------------------------------------------------
    def somebody(self) -> Member:
        """Anybody, as they are now."""
        with self.till.database.begin() as db:
            return members.get(db, self.dice.choice(self.people).id)

    def held_by(self, holder: Member) -> int | None:
        """One of somebody's certificates."""
        with self.till.database.begin() as db:
            held = wallet.held(db, holder.id)
        return self.dice.choice(held).id if held else None
