"""The ways to pay of one deployment, built from its settings."""

from collections.abc import Callable, Mapping

from bot.config import Settings
from payments.bank_transfer import BankTransfer
from payments.card import Card
from payments.carrier_billing import CarrierBilling
from payments.gateway import Gateway
from payments.momo import MtnMomo
from payments.mpesa import Mpesa


def build(settings: Settings) -> dict[str, Gateway | None]:
    """The rails on offer, in menu order; None stands for the operator's own phone bill, which asks nobody."""
    return {rail: _BUILDERS[rail](settings) for rail in settings.rails}


def _phone_bill(settings: Settings) -> None:
    """The operator's own bill is no gateway: it is written in the purchase's own transaction."""


def _carrier_billing(settings: Settings) -> Gateway:
    return CarrierBilling(
        base_url=settings.carrier_api_base,
        client_id=settings.carrier_client_id,
        client_secret=settings.carrier_client_secret.get_secret_value(),
        callback_base=settings.public_base_url,
        sink_secret=settings.carrier_sink_secret.get_secret_value(),
        merchant_name="Giftline",
        currency=settings.currency,
        limit_minor=settings.carrier_limit_minor,
    )


def _card(settings: Settings) -> Gateway:
    return Card(
        base_url=settings.stripe_api_base,
        secret_key=settings.stripe_secret_key.get_secret_value(),
        webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
        success_url=f"{settings.public_base_url}/paid",
        cancel_url=f"{settings.public_base_url}/not-paid",
    )


def _mpesa(settings: Settings) -> Gateway:
    return Mpesa(
        base_url=settings.mpesa_api_base,
        consumer_key=settings.mpesa_consumer_key,
        consumer_secret=settings.mpesa_consumer_secret.get_secret_value(),
        shortcode=settings.mpesa_shortcode,
        passkey=settings.mpesa_passkey.get_secret_value(),
        b2c_shortcode=settings.mpesa_b2c_shortcode,
        initiator_name=settings.mpesa_initiator_name,
        security_credential=settings.mpesa_security_credential.get_secret_value(),
        callback_base=settings.public_base_url,
        callback_secret=settings.payment_callback_secret.get_secret_value(),
    )


def _momo(settings: Settings) -> Gateway:
    return MtnMomo(
        base_url=settings.momo_api_base,
        target_environment=settings.momo_target_environment,
        currencies=(settings.currency,),
        prefixes=settings.momo_countries,
        collection_user=settings.momo_collection_user,
        collection_key=settings.momo_collection_key.get_secret_value(),
        collection_subscription=settings.momo_collection_subscription.get_secret_value(),
        disbursement_user=settings.momo_disbursement_user,
        disbursement_key=settings.momo_disbursement_key.get_secret_value(),
        disbursement_subscription=settings.momo_disbursement_subscription.get_secret_value(),
        callback_base=settings.public_base_url,
        callback_secret=settings.payment_callback_secret.get_secret_value(),
    )


def _bank(settings: Settings) -> Gateway:
    return BankTransfer(
        currency=settings.currency,
        account_shown=settings.bank_account,
        statement_account=settings.bank_statement_account,
    )


_BUILDERS: Mapping[str, Callable[[Settings], Gateway | None]] = {
    "phone_bill": _phone_bill,
    "carrier_billing": _carrier_billing,
    "card": _card,
    "mpesa": _mpesa,
    "momo": _momo,
    "bank": _bank,
}
