"""Everything we tell people who are not the ones speaking, and every receipt: sentences here, texts in the outbox.

A notice is an outbox row written in the transaction of what it tells. The worker translates and fills it in when it
sends it.
"""

from sqlalchemy import Connection

from circulation.members import Member
from circulation.values import Value, pack
from storage import outbox

BOUGHT = (
    "Receipt {reference}: you bought {sheets} x {issuer} {worth}. {total} is on your phone bill. "
    "Dial {service_code} to give or use."
)
GIFT_WAITS = (
    '{giver} gives you {issuer} {amount}. Message from {giver}: "{note}". '
    "Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_WAITS_NO_NOTE = (
    "{giver} gives you {issuer} {amount}. Reply 1 to accept or 2 to refuse, or dial {service_code}. Answer by {until}."
)
GIFT_SENT = "Ref {reference}: {issuer} {amount} was offered to {recipient}. We tell you when they answer."
GIFT_ACCEPTED = "{recipient} accepted your gift {issuer} {amount}. Ref {reference}."
GIFT_DECLINED = "{recipient} did not take your gift {issuer} {amount}. It is back with you. Ref {reference}."
GIFT_LAPSED = "{recipient} did not answer your gift {issuer} {amount}. It is back with you. Ref {reference}."
CODE = "Your code: {code}. Show it to the clerk before {until}. It pays up to {limit} with {issuer}. Tell it to nobody else."
USED = "{amount} paid at {store} with {issuer}. Left on it: {left}. Ref {reference}."
GIFT_USED = "Your gift to {recipient} was used: {amount} of {issuer}. Ref {reference}."

SENTENCES = (
    BOUGHT,
    GIFT_WAITS,
    GIFT_WAITS_NO_NOTE,
    GIFT_SENT,
    GIFT_ACCEPTED,
    GIFT_DECLINED,
    GIFT_LAPSED,
    CODE,
    USED,
    GIFT_USED,
)


def send(db: Connection, to: Member, provider: str, sentence: str, **holes: Value) -> None:
    """Put one notice in the outbox, by whoever carries this member's texts, else by `provider`."""
    outbox.put(
        db,
        [
            outbox.Row(
                provider=to.sms_provider or provider,
                msisdn=to.msisdn.e164,
                language=to.language,
                sentence=sentence,
                holes=pack(holes),
                secret="code" in holes,
            )
        ],
    )
