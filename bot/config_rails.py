"""The settings of every way to pay. Only those of the rails on offer need to be set; `bot.config` reads and checks them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

RAIL_SETTINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "phone_bill": (),
        "carrier_billing": ("carrier_api_base", "carrier_client_id", "carrier_client_secret", "carrier_sink_secret"),
        "card": ("stripe_secret_key", "stripe_webhook_secret"),
        "mpesa": (
            "mpesa_consumer_key",
            "mpesa_consumer_secret",
            "mpesa_shortcode",
            "mpesa_passkey",
            "mpesa_b2c_shortcode",
            "mpesa_initiator_name",
            "mpesa_security_credential",
            "payment_callback_secret",
        ),
        "momo": (
            "momo_prefixes",
            "momo_collection_user",
            "momo_collection_key",
            "momo_collection_subscription",
            "momo_disbursement_user",
            "momo_disbursement_key",
            "momo_disbursement_subscription",
            "payment_callback_secret",
        ),
        "bank": ("bank_account",),
    }
)
"""Every rail there is, with the settings without which it cannot be on offer."""

DEVELOPMENT_RAILS = {
    "payment_rails": "phone_bill,mpesa,momo,card,bank,carrier_billing",
    "payment_callback_secret": "dev-callback-secret",
    "carrier_client_id": "dev-carrier-client",
    "carrier_client_secret": "dev-carrier-secret",
    "carrier_sink_secret": "dev-carrier-sink",
    "stripe_secret_key": "dev-stripe-key",
    "stripe_webhook_secret": "dev-stripe-webhook-secret",
    "mpesa_consumer_key": "dev-mpesa-key",
    "mpesa_consumer_secret": "dev-mpesa-secret",
    "mpesa_shortcode": "174379",
    "mpesa_passkey": "dev-mpesa-passkey",
    "mpesa_b2c_shortcode": "600997",
    "mpesa_initiator_name": "dev-mpesa-initiator",
    "mpesa_security_credential": "dev-mpesa-credential",
    "momo_prefixes": "+254,+256",
    "momo_collection_user": "11111111-1111-4111-8111-111111111111",
    "momo_collection_key": "dev-momo-collection-key",
    "momo_collection_subscription": "dev-momo-collection-subscription",
    "momo_disbursement_user": "22222222-2222-4222-8222-222222222222",
    "momo_disbursement_key": "dev-momo-disbursement-key",
    "momo_disbursement_subscription": "dev-momo-disbursement-subscription",
    "bank_account": "Demo Bank 001 234567",
}
"""What development uses for the rails when nothing is set; the fake providers of bin/dev take anything."""

DEVELOPMENT_API_BASES = {
    "carrier_api_base": "carrier",
    "stripe_api_base": "card",
    "mpesa_api_base": "mpesa",
    "momo_api_base": "momo",
}
"""Where each provider's fake answers, under the address of the fakes."""


class RailSettings(BaseSettings):
    """The part of the settings that is about paying."""

    payment_rails: str = Field(
        "phone_bill",
        description="Ways to pay, in menu order: any of `phone_bill`, `carrier_billing`, `card`, `mpesa`, `momo`, `bank`.",
    )
    payment_callback_secret: SecretStr = Field(
        SecretStr(""), description="Secret part of the callback paths of rails that sign nothing (M-Pesa, MTN MoMo)."
    )
    phone_bill_limit_minor: int = Field(
        2_000_000, description="Most one phone may put on its bill in 30 days, in minor units (cents).", ge=0
    )

    carrier_api_base: str = Field("", description="The operator's CAMARA Carrier Billing Check Out API.")
    carrier_client_id: str = Field("", description="OAuth client at the operator.")
    carrier_client_secret: SecretStr = Field(SecretStr(""), description="Its secret.")
    carrier_sink_secret: SecretStr = Field(SecretStr(""), description="Bearer token of the operator's events to us.")
    carrier_limit_minor: int = Field(
        1_000_000, description="Most one charge may put on a bill of another network, in minor units.", ge=0
    )

    stripe_api_base: str = Field("https://api.stripe.com", description="Stripe's API, or any contract server.")
    stripe_secret_key: SecretStr = Field(SecretStr(""), description="Stripe secret key.")
    stripe_webhook_secret: SecretStr = Field(SecretStr(""), description="Signs Stripe's webhooks (whsec_...).")

    mpesa_api_base: str = Field("https://api.safaricom.co.ke", description="M-Pesa Daraja, or any contract server.")
    mpesa_consumer_key: str = Field("", description="Daraja application key.")
    mpesa_consumer_secret: SecretStr = Field(SecretStr(""), description="Daraja application secret.")
    mpesa_shortcode: str = Field("", description="Pay bill number customers pay to.")
    mpesa_passkey: SecretStr = Field(SecretStr(""), description="Daraja online passkey.")
    mpesa_b2c_shortcode: str = Field("", description="Number refunds and cash-outs are paid from.")
    mpesa_initiator_name: str = Field("", description="API user of that number.")
    mpesa_security_credential: SecretStr = Field(SecretStr(""), description="Its encrypted password.")

    momo_api_base: str = Field("https://proxy.momoapi.mtn.com", description="MTN MoMo API, or any contract server.")
    momo_target_environment: str = Field("sandbox", description="MTN's name of the country's environment.")
    momo_prefixes: str = Field("", description="Countries served, as number prefixes: `+256,+233`.")
    momo_collection_user: str = Field("", description="API user of the collection product.")
    momo_collection_key: SecretStr = Field(SecretStr(""), description="Its key.")
    momo_collection_subscription: SecretStr = Field(SecretStr(""), description="Its subscription key.")
    momo_disbursement_user: str = Field("", description="API user of the disbursement product (refunds).")
    momo_disbursement_key: SecretStr = Field(SecretStr(""), description="Its key.")
    momo_disbursement_subscription: SecretStr = Field(SecretStr(""), description="Its subscription key.")

    bank_account: str = Field("", description="Bank and account as told to who pays by transfer.", max_length=40)
    bank_statement_account: str = Field("", description="Account statements must be of; empty: any.")
    bank_statements: Path | None = Field(
        None, description="Folder in which the bank leaves its statements (camt.053 or CSV); empty: import by hand."
    )

    @field_validator("payment_rails")
    @classmethod
    def known_rails(cls, value: str) -> str:
        """Every name is a rail there is."""
        unknown = set(_listed(value)) - RAIL_SETTINGS.keys()
        if unknown or not _listed(value):
            raise ValueError(f"knows {', '.join(RAIL_SETTINGS)}; not {', '.join(sorted(unknown)) or 'none'}")
        return value

    @property
    def rails(self) -> tuple[str, ...]:
        """The rails on offer, in menu order."""
        return _listed(self.payment_rails)

    @property
    def momo_countries(self) -> tuple[str, ...]:
        """The prefixes of the numbers that MTN MoMo serves."""
        return _listed(self.momo_prefixes)


def _listed(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
