"""The door that an operator calls about a payment: the token that opens it, and the CloudEvents that come in.

Each charge and each refund gets a token of its own, which says what it is for and proves that we made it. So a token that
leaks speaks for one payment alone, and none of them is kept. Sources: CAMARA Carrier Billing v0.5.0 and Carrier Billing
Refund v0.3.0 (sinkCredential, CloudEvent).
"""

import hashlib
import hmac

from payments.gateway import Callback, Forged, Hint
from payments.provider_http import at, read_json, word

_KINDS = ("charge", "refund")
_EVENTS = ("org.camaraproject.carrier-billing.", "org.camaraproject.carrier-billing-refund.")


def token_for(secret: str, kind: str, id_: str) -> str:
    """The bearer token for the calls about one charge or refund."""
    subject = f"{kind}.{id_}"
    return f"{subject}.{hmac.new(secret.encode(), subject.encode('utf-8', 'replace'), hashlib.sha256).hexdigest()}"


def verify(callback: Callback, secret: str) -> tuple[str, str]:
    """("charge" or "refund", its id), as the call's bearer token has it. Raises Forged when that is none of ours."""
    scheme, _, token = callback.headers.get("authorization", "").partition(" ")
    kind, _, rest = token.strip().partition(".")
    id_ = rest.partition(".")[0]
    right = token_for(secret, kind, id_).encode("utf-8", "replace")
    same = hmac.compare_digest(right, token.strip().encode("utf-8", "replace"))
    if not same or scheme.lower() != "bearer" or kind not in _KINDS:
        raise Forged
    return kind, id_


def read(body: bytes, kind: str, id_: str) -> Hint:
    """What an event is about; of another kind of event, its name alone. Raises Forged for what is no event."""
    try:
        event = read_json(body)
    except ValueError:
        raise Forged from None
    name = f"{word(event, 'source')} {word(event, 'id')}"
    if not at(event, "source") or not at(event, "id") or len(name) < 3:
        raise Forged
    if not word(event, "type").startswith(_EVENTS):
        return Hint(name)
    payment = word(event, "data", "paymentId")
    if kind == "refund":
        return Hint(name, handle=payment, refund_id=id_)
    return Hint(name, charge_id=id_, handle=payment)
