"""Charging: asks payers to pay and sends refunds, over every rail; whatever stayed unclear is looked for until it is clear.

Nothing outside is called while a transaction is open: a charge is claimed and committed, the rail is asked, and what it says
is applied in a transaction of its own. A worker that dies in between leaves a charge whose lease ends; it is then unknown
whether the rail was asked, and the rail is asked what it knows of it.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait

import structlog

from circulation import charging, disputes, receipts, refunds
from circulation.money import Money
from circulation.rules import Rules
from payments import charges
from payments import refunds as refund_rows
from payments.gateway import Found, Gateway, NotTaken, Refund, Unanswered
from storage.database import Database

BATCH = 20
ASKERS = 8
LEASE_SECONDS = 60.0
"""Longer than any rail is waited for. A charge whose lease ended is another worker's."""
LOOKS = ((60, 5), (600, 20), (3_600, 120), (86_400, 1_800))
"""(until that many seconds after it was minted, a waiting charge is looked at again after so many)."""
LOOK_LATER = 6 * 3_600.0
RETRIES = (5, 15, 60, 300, 900)
"""Pauses after a rail did not take a request, or gave no clear answer."""
BUSY_SECONDS, BUSY_PAUSE = 60, 15
"""A payer whose line was taken is asked again after this pause, in the first minute."""
MOST_ASKED = 8
"""So often a rail that takes nothing is asked to charge; then the payer is told that it did not work."""

log = structlog.get_logger(__name__)


class Charging:
    """The charges and refunds of one worker. Several workers may run it at once; each charge is in the hands of one."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules
        self._gateways: Mapping[str, Gateway] = {rail: gateway for rail, gateway in rules.rails.items() if gateway}
        self._askers = ThreadPoolExecutor(ASKERS, thread_name_prefix="charging")

    def __call__(self) -> int:
        """Deal with what is due now. Returns how many charges and refunds were taken in hand."""
        with self._database.begin() as db:
            due = charges.claim(db, batch=BATCH, lease=LEASE_SECONDS)
            back = refund_rows.claim(db, batch=BATCH, lease=LEASE_SECONDS)
        jobs = [self._askers.submit(self._charge, claimed) for claimed in due]
        jobs += [self._askers.submit(self._refund, claimed) for claimed in back]
        wait(jobs)
        for job in jobs:
            job.result()
        return len(jobs)

    # Charges ----------------------------------------------------------------------------------------------------------
    def _charge(self, claimed: charges.Claimed) -> None:
        gateway = self._gateways.get(claimed.rail)
        if gateway is None:
            log.error("charge.rail_not_configured", rail=claimed.rail, charge=claimed.charge.id)
            return
        try:
            found = self._asked(gateway, claimed)
            # also unasked: a chargeback may be told before we knew the payment by its name
            paid = claimed.ended_seconds is not None and claimed.charge.receipt != ""
            found_disputes = gateway.disputes(claimed.charge) if claimed.disputed or paid else []
        except Unanswered:
            self._unclear(claimed)
            return
        except NotTaken as refused:
            self._not_taken(claimed, refused)
            return
        with self._database.begin() as db:
            if charges.hold(db, claimed.charge.id, claimed.attempt) is None:
                return  # the lease ended, and another worker has it
        self._apply(claimed, found)
        for dispute in found_disputes:
            with self._database.begin() as db:
                disputes.seen(db, self._rules, charge_id=claimed.charge.id, dispute=dispute)
        if claimed.disputed:
            with self._database.begin() as db:
                charges.disputes_seen(db, claimed.charge.id)

    def _asked(self, gateway: Gateway, claimed: charges.Claimed) -> Found:
        """Ask the rail for what this charge needs next; at the end of it, what the rail now says."""
        charge = claimed.charge
        match claimed.state:
            case "new" if claimed.over:
                return Found("failed", reason="expired")  # nobody was asked, and the payer has long gone
            case "new":
                if gateway.can_pay(charge) is False:
                    return Found("failed", reason="unknown_payer")
                found = gateway.ask(charge)
            case "asking" | "unknown":
                found = gateway.find(charge)
                if found.state == "absent" and not claimed.over:
                    found = gateway.ask(charge)
            case "needs_code" if claimed.code is not None and not claimed.over:
                found = gateway.validate(charge, self._rules.seal.open(claimed.code).decode())
                if found.reason == "wrong_pin":  # the network lets them try again
                    found = Found("needs_code", handle=charge.handle)
            case "pending" | "needs_code" if claimed.over:
                found = gateway.cancel(charge)
            case _:
                found = gateway.find(charge)
        if found.state == "reserved" and not claimed.over and claimed.state not in ("lapsed", "failed", "paid"):
            return gateway.capture(charging.named(charge, found))
        return found

    def _apply(self, claimed: charges.Claimed, found: Found) -> None:
        charge, handle = claimed.charge, found.handle or claimed.charge.handle
        with self._database.begin() as db:
            if found.state == "paid" and claimed.state != "paid":
                charges.name(db, charge.id, handle=handle, receipt="")
                amount = Money(
                    charge.amount_minor if found.amount_minor is None else found.amount_minor,
                    found.currency or charge.currency,
                )
                receipt = found.receipt or handle
                if not receipts.received(db, self._rules, charge_id=charge.id, receipt=receipt, amount=amount):
                    charging.settled(db, charge.id, claimed.ended_seconds)
            elif claimed.state == "paid":
                charging.paid_and_now(db, self._rules, charge.id, found, claimed.ended_seconds)
            elif claimed.state in ("lapsed", "failed"):
                charging.settled(db, charge.id, claimed.ended_seconds)
            elif found.reason == "busy" and claimed.age_seconds < BUSY_SECONDS:
                charges.again(db, charge.id, ask_after=BUSY_PAUSE)
            elif found.state == "failed" or (found.state == "absent" and claimed.over):
                reason = found.reason or ("expired" if claimed.over else "other")
                receipts.failed(db, self._rules, charge_id=charge.id, state="failed", reason=reason)
            elif claimed.over:
                receipts.failed(db, self._rules, charge_id=charge.id, state="lapsed", reason="expired")
            else:
                charging.waits(db, self._rules, claimed, found, look_after=_next_look(claimed.age_seconds))

    def _unclear(self, claimed: charges.Claimed) -> None:
        """No clear answer: what was asked may have been done. The payer is told that we are checking."""
        pause = _pause(claimed.attempt)
        with self._database.begin() as db:
            if charges.hold(db, claimed.charge.id, claimed.attempt) is None:
                return
            if claimed.state in ("new", "asking", "unknown"):
                charging.unknown(db, self._rules, claimed, look_after=pause)
            else:
                charging.later(db, claimed, look_after=pause)
            if claimed.over and claimed.state in charges.WAITS:
                receipts.failed(db, self._rules, charge_id=claimed.charge.id, state="lapsed", reason="expired")

    def _not_taken(self, claimed: charges.Claimed, refused: NotTaken) -> None:
        """Clearly nothing was done. A charge nobody was asked for is asked again, and in the end given up."""
        level = "error" if refused.alarm else "warning"
        getattr(log, level)("charge.not_taken", rail=claimed.rail, charge=claimed.charge.id, code=refused.code)
        pause = max(_pause(claimed.attempt), refused.retry_after)
        with self._database.begin() as db:
            if charges.hold(db, claimed.charge.id, claimed.attempt) is None:
                return
            if claimed.state == "new" and (claimed.over or claimed.attempt >= MOST_ASKED):
                receipts.failed(db, self._rules, charge_id=claimed.charge.id, state="failed", reason="other")
            elif claimed.over and claimed.state in charges.WAITS:
                receipts.failed(db, self._rules, charge_id=claimed.charge.id, state="lapsed", reason="expired")
            else:
                charging.later(db, claimed, look_after=pause)

    # Refunds ----------------------------------------------------------------------------------------------------------
    def _refund(self, claimed: refund_rows.Claimed) -> None:
        gateway = self._gateways.get(claimed.rail)
        if gateway is None:
            log.error("refund.rail_not_configured", rail=claimed.rail, refund=claimed.refund.id)
            return
        try:
            found = self._sent_back(gateway, claimed)
        except (Unanswered, NotTaken) as unclear:
            asked = isinstance(unclear, Unanswered) or claimed.state != "new"
            if isinstance(unclear, NotTaken) and unclear.alarm:
                log.error("refund.not_taken", rail=claimed.rail, refund=claimed.refund.id, code=unclear.code)
            self._keep(claimed, "unknown" if asked else "new", "", _pause(claimed.attempt))
            return
        with self._database.begin() as db:
            if refund_rows.hold(db, claimed.refund.id, claimed.attempt) is None:
                return
        if found.state == "paid":
            with self._database.begin() as db:
                refunds.paid(db, self._rules, refund_id=claimed.refund.id, receipt=found.receipt or found.handle)
        elif found.state == "failed":
            with self._database.begin() as db:
                refunds.failed(db, self._rules, refund_id=claimed.refund.id, reason=found.reason)
        else:
            self._keep(claimed, "pending", found.handle, _next_look(claimed.age_seconds))

    def _sent_back(self, gateway: Gateway, claimed: refund_rows.Claimed) -> Found:
        refund: Refund = claimed.refund
        if claimed.state == "new":
            return gateway.refund(refund)
        found = gateway.find_refund(refund)
        return gateway.refund(refund) if found.state == "absent" else found

    def _keep(self, claimed: refund_rows.Claimed, state: refund_rows.State, handle: str, look_after: float) -> None:
        with self._database.begin() as db:
            if refund_rows.hold(db, claimed.refund.id, claimed.attempt) is not None:
                refund_rows.mark(db, claimed.refund.id, state, look_after=look_after, handle=handle)


def _pause(attempt: int) -> float:
    return RETRIES[min(attempt, len(RETRIES)) - 1]


def _next_look(age_seconds: float) -> float:
    return next((pause for until, pause in LOOKS if age_seconds < until), LOOK_LATER)
