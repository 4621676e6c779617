"""The browser phones: feature phones and a till in a web page, the two providers that carry their texts and calls, the mail
server, and those that are paid.

Development only. What stands here is the outside world: it speaks to the product by the public webhooks and by nothing
else, so that what a newcomer tries in the browser is what a customer's phone does.
"""

from collections.abc import Sequence

import redis
from flask import Blueprint

from bot.config import Settings
from phones import africastalking_api, api, mailbox, media, pages, twilio_api
from phones.airwaves import Airwaves
from phones.calling import Calls
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
    calls = Calls(settings, client, network)
    from phones import mail_server, rails  # each is a process of its own as well, which imports this package first

    played = rails.played(settings)
    phones = pages.blueprint(
        settings,
        cast,
        bank=f"{settings.fakes_url}/bank" if "bank" in played else "",
        has_mail=mail_server.played(settings),
    )
    questions = Questions(settings.fakes_url if played else "")
    phones.register_blueprint(api.blueprint(settings, airwaves, network, calls, questions))
    phones.register_blueprint(twilio_api.blueprint(settings, airwaves, network, calls))
    phones.register_blueprint(africastalking_api.blueprint(settings, airwaves, network))
    phones.register_blueprint(media.blueprint(airwaves))
    phones.register_blueprint(mailbox.blueprint(airwaves))
    return phones
