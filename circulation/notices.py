"""Everything we tell people who are not the ones speaking, and every receipt: sentences here, texts in the outbox.

A notice is an outbox row written in the transaction of what it tells. The worker translates and fills it in when it
sends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from circulation import unreached
from circulation.members import Member
from circulation.routes import Form, Routes
from circulation.values import Value, pack
from payments.gateway import Reason
from storage import outbox

BOUGHT = (
    "Receipt {reference}: you bought {sheets} x {issuer} {worth}. {total} is on your phone bill. "
    "Dial {service_code} to give or use."
)
PAID = "Receipt {reference}: {total} paid. You hold {sheets} x {issuer} {worth}. Dial {service_code} to give or use."
PAY_BY_CARD = (
    "To pay {total} for {issuer} by card, open {link} within an hour. Never send a card number by SMS. Ref {reference}."
)
PAY_BY_BANK = "Pay {total} to {account}, reference {bank_reference}. We text you when it is there. Ref {reference}."
CHECKING = "We are checking your payment of {total}. Please do not pay again: you will get a text. Ref {reference}."
CODE_NEEDED = (
    "Your network sent you a code to agree to {total}. Reply with it here, or dial {service_code}. Ref {reference}."
)
CODE_WRONG = "That was not the code your network sent for {total}. Please reply with it again. Ref {reference}."
NOT_PAID: Mapping[Reason, str] = {
    "": "{issuer} for {total} was not paid. Nothing was bought. Ref {reference}.",
    "other": "{issuer} for {total} was not paid. Nothing was bought. Ref {reference}.",
    "no_funds": "There is not enough money for {issuer}, {total}. Nothing was bought. Ref {reference}.",
    "over_limit": "{total} for {issuer} is over your limit. Nothing was bought. Ref {reference}.",
    "refused": "Your payment of {total} for {issuer} was refused. Nothing was bought. Ref {reference}.",
    "wrong_pin": "The PIN or code for {total} was not right. {issuer} was not bought. Ref {reference}.",
    "unreachable": "Your phone could not be asked for {total}. {issuer} was not bought. Please try again. Ref {reference}.",
    "busy": "Your phone was busy when we asked for {total}. {issuer} was not bought. Please try again. Ref {reference}.",
    "expired": (
        "{total} for {issuer} was not paid in time, so nothing was bought. "
        "If you did pay, you get it or your money back. Ref {reference}."
    ),
    "cancelled": "The payment of {total} for {issuer} was cancelled. Nothing was bought. Ref {reference}.",
    "unknown_payer": "This phone has no account to pay {total} with. {issuer} was not bought. Ref {reference}.",
}
"""What a buyer is told, by the reason for which their charge ended unpaid."""
RECEIPT_KEPT = "We got {amount} from you and are looking into it. You will hear from us. Ref {reference}."
RECEIPT_GOES_BACK = "We got {amount} that fits no open order. It goes back to you. Ref {reference}."
UNDERPAID = (
    "We got {amount}. {missing} is missing: send it with the same reference, or the money goes back. Ref {reference}."
)
OVERPAID = "You paid {amount} too much. It goes back to you. Ref {reference}."
REFUNDED = "{amount} is back where it came from. Ref {reference}."
REFUND_OWED = "We could not send {amount} back to you yet. It is yours: we look for another way. Ref {reference}."
CASHED_OUT = "{amount} was sent to your mobile money. Ref {reference}."
ENDS_SOON = "{issuer} {left} can be used until {day}. To pay with it dial {service_code} or text PAY."
ENDS_SOON_EXTENDABLE = (
    "{issuer} {left} can be used until {day}. To pay with it dial {service_code} or text PAY. "
    "For more time text EXTEND."
)
SEVERAL_END_SOON = (
    "{count} certificates with {left} in all end soon, the first, {issuer}, on {day}. "
    "To pay with them dial {service_code} or text PAY."
)
SEVERAL_END_SOON_EXTENDABLE = (
    "{count} certificates with {left} in all end soon, the first, {issuer}, on {day}. "
    "To pay with them dial {service_code} or text PAY. For more time text EXTEND."
)
ENDED = (
    "{issuer} {left} has ended. It is still worth {share} to you until {day}: "
    "dial {service_code} or text REFUND to have it back."
)
SEVERAL_ENDED = (
    "{count} certificates with {left} in all have ended. They are still worth {share} to you, the first until {day}: "
    "dial {service_code} or text REFUND to have it back."
)
CHARGEBACK_OPENED = (
    "Your bank asks {amount} back. What you still hold of it waits until that is decided. Ref {reference}."
)
CHARGEBACK_WON = "Your bank has decided: the payment of {amount} stands, and you have everything back. Ref {reference}."
CHARGEBACK_LOST = "Your bank has taken {amount} back. What you held of it is gone. Ref {reference}."
GIFT_WAITS = (
    '{giver} gives you {issuer} {amount}. Message from {giver}: "{note}". '
    "Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_WAITS_NO_NOTE = (
    "{giver} gives you {issuer} {amount}. Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_WAITS_LINK = (
    '{giver} gives you {issuer} {amount}. Message: "{note}". {link} Reply 1 to accept, 2 to refuse by {until}.'
)
GIFT_WAITS_LINK_NO_NOTE = (
    "{giver} gives you {issuer} {amount}. See what comes with it: {link} "
    "Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_SENT = "Ref {reference}: {issuer} {amount} was offered to {recipient}. We tell you when they answer."
GIFT_PLANNED = "Ref {reference}: {issuer} {amount} will be offered to {recipient} on {at}. To take it back text RECALL."
GIFT_ARRIVED = (
    "Your gift {issuer} {amount} was offered to {recipient} now. We tell you when they answer. Ref {reference}."
)
GIFT_RECALLED = "{giver} took back the gift {issuer} {amount}. It no longer waits for your answer."
GIFT_NOT_HERE = "The gift {issuer} {amount} from {giver} no longer waits for an answer from this phone."
GIFT_TAKEN_BACK = "Ref {reference}: you took back {issuer} {amount}, meant for {recipient}. It is yours again."
GIFT_REDIRECTED = (
    "Ref {reference}: your gift {issuer} {amount} is for {recipient} now, no longer for {earlier}. "
    "We tell you when they answer."
)
GIFT_ACCEPTED = "{recipient} accepted your gift {issuer} {amount}. Ref {reference}."
GIFT_YOURS = (
    "{issuer} {amount} is yours. Show this at the till and agree on your phone, or dial {service_code} for a code."
)
GIFT_DECLINED = "{recipient} did not take your gift {issuer} {amount}. It is back with you. Ref {reference}."
GIFT_LAPSED = "{recipient} did not answer your gift {issuer} {amount}. It is back with you. Ref {reference}."
SHOWN = "You packed {titles}. Dial {service_code} or reply here to go on with your gift."
SHOWN_BY_LINK = "{title}, which you packed: {link}"
GROUP_BEGUN = (
    "Group gift {number}: {issuer} {amount}. Others join by texting GROUP {number} here or dialling {service_code}, "
    "until {until}."
)
PART_PAID = "Your part of {total} is paid. Group gift {number} has {paid} of {parts} parts. Ref {reference}."
PART_CAME = "{giver} paid {total} to your group gift {number}. It has {paid} of {parts} parts."
PART_NOT_PAID = (
    "Your part of {total} in group gift {number} was not paid. If you did pay, it counts or comes back to you. "
    "Ref {reference}."
)
GROUP_GIVEN = "Group gift {number} has all {parts} parts: {giver} now gives {issuer} {amount} for all of you."
GROUP_ACCEPTED = "Group gift {number}: {issuer} {amount} was accepted."
GROUP_CAME_BACK = "Group gift {number}: {issuer} {amount} was not accepted. {giver} now holds it for all of you."
GROUP_UNMET = (
    "Your group gift {number}, {issuer} {amount}, has only {paid} of {parts} parts and its time is over. "
    "Everyone who paid gets it back."
)
PART_BACK = "Group gift {number} did not come together in time. Your part of {total} goes back to you. Ref {reference}."
GROUP_CALLED_OFF = "{giver} called off group gift {number}. Your part of {total} goes back to you. Ref {reference}."
GROUP_GIFT_WAITS = (
    '{giver} and {others} more give you {issuer} {amount}. Message: "{note}". '
    "Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GROUP_GIFT_WAITS_NO_NOTE = (
    "{giver} and {others} more give you {issuer} {amount}. Reply 1 to accept or 2 to refuse, or dial {service_code}. "
    "Answer by {until}."
)
GROUP_GIFT_WAITS_LINK = (
    '{giver} and {others} more give you {issuer} {amount}. Message: "{note}". {link} '
    "Reply 1 to accept, 2 to refuse by {until}."
)
GROUP_GIFT_WAITS_LINK_NO_NOTE = (
    "{giver} and {others} more give you {issuer} {amount}. See what comes with it: {link} "
    "Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_OFFERED: Mapping[tuple[bool, bool, bool], str] = {
    (False, False, False): GIFT_WAITS_NO_NOTE,
    (False, False, True): GIFT_WAITS_LINK_NO_NOTE,
    (False, True, False): GIFT_WAITS,
    (False, True, True): GIFT_WAITS_LINK,
    (True, False, False): GROUP_GIFT_WAITS_NO_NOTE,
    (True, False, True): GROUP_GIFT_WAITS_LINK_NO_NOTE,
    (True, True, False): GROUP_GIFT_WAITS,
    (True, True, True): GROUP_GIFT_WAITS_LINK,
}
"""By which words a recipient hears of a gift: whether several paid for it, it has a message, and a link to its page."""
LIST_PAID = "Gift list {reference}: {total} is paid. Its {lines} gifts go out now, or on the day you chose."
LIST_NOT_PAID = "Gift list {reference}: {total} was not paid. Nothing was sent. If you did pay, it comes back to you."
LIST_DONE = "Gift list {reference}: all {lines} gifts were offered. Gifts that are not taken come back to you."
CODE = "Your code: {code}. Show it to the clerk before {until}. It pays up to {limit} with {issuer}. Tell it to nobody else."
CODE_TOGETHER = (
    "Your code: {code}. Show it to the clerk before {until}. It pays up to {limit}, with all the shop takes of your "
    "certificates. Tell it to nobody else."
)
PAYMENT_ASKED = (
    "{store} asks {amount} of your {issuer}. Are you paying there now? Reply 1 to see it and agree, 2 to refuse, "
    "or dial {service_code}."
)
PAYMENT_AGREED = "APPROVED: {amount}. The customer agreed on their phone. Ref {reference}."
PAYMENT_REFUSED = "NOT PAID: {amount}. The customer did not agree."
USED = "{amount} paid at {store} with {issuer}. Left on it: {left}. Ref {reference}."
USED_TOGETHER = "{amount} paid at {store} with {sheets} certificates. Left on them: {left}. Ref {reference}."
HELD = (
    "{store} keeps {amount} of your {issuer} until {until}. What they do not take comes back to you. Ref {reference}."
)
LET_GO = "{store} did not take the {amount} they kept. It is back among your certificates. Ref {reference}."
USE_REVERSED = "{store} undid your payment of {amount}. It is back among your certificates. Ref {reference}."
STORE_REFUNDED = "{store} gave you {amount} back. It is among your certificates. Ref {reference}."
GIFT_USED = "Your gift to {recipient} was used: {amount} of {issuer}. Ref {reference}."

SENTENCES = (
    BOUGHT,
    PAID,
    PAY_BY_CARD,
    PAY_BY_BANK,
    CHECKING,
    CODE_NEEDED,
    CODE_WRONG,
    *NOT_PAID.values(),
    RECEIPT_KEPT,
    RECEIPT_GOES_BACK,
    UNDERPAID,
    OVERPAID,
    REFUNDED,
    REFUND_OWED,
    CASHED_OUT,
    ENDS_SOON,
    ENDS_SOON_EXTENDABLE,
    SEVERAL_END_SOON,
    SEVERAL_END_SOON_EXTENDABLE,
    ENDED,
    SEVERAL_ENDED,
    CHARGEBACK_OPENED,
    CHARGEBACK_WON,
    CHARGEBACK_LOST,
    *GIFT_OFFERED.values(),
    GIFT_SENT,
    GIFT_PLANNED,
    GIFT_ARRIVED,
    GIFT_RECALLED,
    GIFT_NOT_HERE,
    GIFT_TAKEN_BACK,
    GIFT_REDIRECTED,
    GIFT_ACCEPTED,
    GIFT_YOURS,
    GIFT_DECLINED,
    GIFT_LAPSED,
    SHOWN,
    SHOWN_BY_LINK,
    GROUP_BEGUN,
    PART_PAID,
    PART_CAME,
    PART_NOT_PAID,
    GROUP_GIVEN,
    GROUP_ACCEPTED,
    GROUP_CAME_BACK,
    GROUP_UNMET,
    PART_BACK,
    GROUP_CALLED_OFF,
    LIST_PAID,
    LIST_NOT_PAID,
    LIST_DONE,
    CODE,
    CODE_TOGETHER,
    PAYMENT_ASKED,
    PAYMENT_AGREED,
    PAYMENT_REFUSED,
    USED,
    USED_TOGETHER,
    HELD,
    LET_GO,
    USE_REVERSED,
    STORE_REFUNDED,
    GIFT_USED,
    *unreached.NOTICES,
)


NOBODY = "nobody"
"""The provider of what no route carries; the worker's chores end it (circulation/following.py)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What makes a notice more than a text: its form, the gift it tells of, and the names of what goes with it."""

    form: Form = "sms"
    gift_id: str | None = None
    enclosed: tuple[str, ...] = ()


def send(db: Connection, to: Member, routes: Routes, sentence: str, /, **holes: Value) -> None:
    """Put one notice in the outbox, by whoever carries this member's texts, else by the route to their number."""
    _file(db, to, routes, sentence, holes, "service", Packet())


def remind(db: Connection, to: Member, routes: Routes, sentence: str, /, **holes: Value) -> None:
    """As `send`, for a notice that nobody asked for and that one may decline."""
    _file(db, to, routes, sentence, holes, "reminder", Packet())


def tell_of_gift(db: Connection, to: Member, routes: Routes, sentence: str, packet: Packet, /, **holes: Value) -> None:
    """As `send`, for the notice by which a recipient hears of somebody's gift, in the packet's form."""
    _file(db, to, routes, sentence, holes, "gift", packet)


def send_with(db: Connection, to: Member, routes: Routes, sentence: str, packet: Packet, /, **holes: Value) -> None:
    """As `send`, in the packet's form and with what is enclosed."""
    _file(db, to, routes, sentence, holes, "service", packet)


def _file(
    db: Connection,
    to: Member,
    routes: Routes,
    sentence: str,
    holes: Mapping[str, Value],
    purpose: outbox.Purpose,
    packet: Packet,
) -> None:
    row = outbox.Row(
        provider=_carrier(routes, packet.form, to),
        address=to.msisdn.e164,
        language=to.language,
        sentence=sentence,
        holes=pack(holes),
        secret="code" in holes,
        form=packet.form,
        purpose=purpose,
        gift_id=packet.gift_id,
        enclosed=packet.enclosed,
    )
    outbox.put(db, [row])


def _carrier(routes: Routes, form: Form, to: Member) -> str:
    """Who carries it there. A receipt that nobody carries undoes no sale: it is filed, fails, and what follows is done."""
    try:
        return routes.first(form, to.msisdn, to.sms_provider)
    except LookupError:
        return NOBODY
