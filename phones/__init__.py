"""The browser phones: feature phones and a till in a web page, the two providers that carry their texts, and those that are
paid.

Development only. What stands here is the outside world: it speaks to the product by the public webhooks and by nothing
else, so that what a newcomer tries in the browser is what a customer's phone does.
"""

from collections.abc import Sequence

import redis
from flask import Blueprint

from bot.config import Settings
from phones import api, pages, providers
from phones.airwaves import Airwaves
from phones.handset import Network
from phones.pages import Phone
from phones.questions import Questions

__all__ = ["DEMO_CAST", "Phone", "blueprint"]

DEMO_CAST = (
    Phone("Amina", "+254712000001"),
    Phone("Baraka", "+254712000002"),
    Phone("Till: Soko Bora Westlands", "+254700000101", role="till"),
)
"""The browser phones of the Kenyan demo data: two customers and a clerk's till."""


def blueprint(settings: Settings, client: redis.Redis, cast: Sequence[Phone]) -> Blueprint:
    """Everything under /phones: the page showing `cast`, its small API, and the providers' REST APIs.

    Register it in development mode only: whoever reaches it can be any phone. Raises ValueError elsewhere, and for a
    cast without two customers and a till.
    """
    if not settings.development:
        raise ValueError("the browser phones are for development mode only")
    airwaves, network = Airwaves(client), Network(settings)
    from phones import rails  # `python -m phones.rails` is a process of its own, and imports this package first

    played = rails.played(settings)
    phones = pages.blueprint(settings, cast, bank=f"{settings.fakes_url}/bank" if "bank" in played else "")
    questions = Questions(settings.fakes_url if played else "")
    phones.register_blueprint(api.blueprint(settings, airwaves, network, questions))
    phones.register_blueprint(providers.blueprint(settings, airwaves, network))
    return phones
