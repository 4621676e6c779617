"""What the sending APIs that are played here have in common: their answers, refusals and reports have the providers' own
shapes, so that the product cannot tell that no radio was used."""

import hmac
import logging
import threading
from collections.abc import Callable, Sequence

import phonenumbers

from phones.handset import Form, Network, NetworkFault

log = logging.getLogger(__name__)


def is_number(number: str) -> bool:
    """Whether somebody could have this phone number (E.164)."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def same(given: str, secret: str) -> bool:
    """Whether they are the same, found out in the same time."""
    return hmac.compare_digest(given.encode(), secret.encode())


def report(network: Network, forms: Callable[[], Sequence[Form]]) -> None:
    """Post reports, in order, from a thread of their own: like the real ones, they may outrun our answer."""

    def post() -> None:
        for form in forms():
            try:
                network.post(form)
            except NetworkFault as fault:
                log.warning("a report was not taken: %s", fault)

    threading.Thread(target=post, name="reports", daemon=True).start()
