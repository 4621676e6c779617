"""The providers of every way to pay, played on this machine: `python -m phones.rails` serves them beside the product.

Like the phones they are the outside world. They speak to the product by its public address alone, they know of it what its
settings say, and the texts of the network itself land on the browser phones.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import redis
from pydantic import SecretStr

from bot import servers
from bot.config import Settings
from bot.config_rails import RAIL_SETTINGS
from payments.fakes.server import FakeRails, Merchant
from phones.airwaves import Airwaves

NETWORK = "Network"
"""Who sends the texts that the operator writes itself."""

API_BASES: Mapping[str, str] = MappingProxyType(
    {
        "carrier_billing": "carrier_api_base",
        "card": "stripe_api_base",
        "mpesa": "mpesa_api_base",
        "momo": "momo_api_base",
    }
)

log = logging.getLogger(__name__)


def played(settings: Settings) -> frozenset[str]:
    """The rails on offer whose provider is played here: those whose API is ours, and the bank in development."""
    ours = {rail for rail, base in API_BASES.items() if str(getattr(settings, base)).startswith(settings.fakes_url)}
    if settings.development and settings.bank_statements is not None:
        ours.add("bank")
    return frozenset(ours.intersection(settings.rails))


def build(settings: Settings, client: redis.Redis) -> FakeRails:
    """The providers at `settings.fakes_url`. Makes the folder of the bank's statements."""
    airwaves = Airwaves(client)

    def send(msisdn: str, text: str) -> None:
        try:
            airwaves.deliver(msisdn, NETWORK, text)
        except redis.RedisError as error:
            log.warning("a text of the network is lost (%s)", type(error).__name__)

    return FakeRails(
        at_once=True, port=settings.port + 1, drop=_statements(settings), merchant=_merchant(settings), send=send
    )


def main() -> int:
    """Serve until stopped; returns the exit code."""
    settings = Settings.load()
    build(settings, redis.Redis.from_url(settings.redis_url)).serve()
    return 0


def _statements(settings: Settings) -> Path | None:
    folder = settings.bank_statements
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _merchant(settings: Settings) -> Merchant:
    return Merchant(
        mpesa=_credentials(settings, "mpesa"),
        momo=_credentials(settings, "momo"),
        stripe_secret_key=settings.stripe_secret_key.get_secret_value(),
        stripe_webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
        stripe_webhook_url=f"{settings.public_base_url}/webhooks/payments/card",
        carrier_client_id=settings.carrier_client_id,
        carrier_client_secret=settings.carrier_client_secret.get_secret_value(),
        bank_account=settings.bank_statement_account or settings.bank_account,
        currency=settings.currency,
    )


def _credentials(settings: Settings, rail: str) -> Mapping[str, str]:
    """The settings of a rail by the names that its gateway gives them."""
    ours = {name: getattr(settings, name) for name in RAIL_SETTINGS[rail] if name.startswith(f"{rail}_")}
    return {
        name.removeprefix(f"{rail}_"): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in ours.items()
    }


if __name__ == "__main__":
    sys.exit(servers.or_say_why(main))
