"""Every request that we make of a provider, recorded by a real HTTP server that answers as the provider would."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from uuid import uuid4

from bot.channels import ReadTo
from bot.channels.twilio import Twilio
from bot.config import Settings
from bot.messages import Enclosed, Outbound
from circulation.msisdn import Msisdn
from payments.card import Card
from payments.carrier_billing import CarrierBilling
from payments.gateway import Charge, Refund
from tests.payments.contracts import Request
from tests.payments.scripted import TOKEN, Line, Scripted

PHONE = "+254700000001"
ACCOUNT = "AC" + "0a" * 16


@cache
def requests_to(name: str) -> tuple[Request, ...]:
    """What is asked of one of the APIs described in `contracts/`."""
    if name == "stripe":
        return tuple(card_requests())
    if name == "twilio":
        return tuple(text_requests())
    return tuple(request for request in carrier_requests() if f"/{name}/" in request.path)


def card_requests() -> list[Request]:
    """Each request of the card rail, in each currency's own form."""
    recorded = []
    for amount_minor, currency in ((102_050, "KES"), (500, "UGX"), (5_120, "KWD")):
        for call, answers in _card_calls(amount_minor, currency):
            with Scripted(*(Line(body=answer) for answer in answers)) as provider:
                call(
                    Card(
                        base_url=provider.url,
                        secret_key="sk_test_1",
                        webhook_secret="whsec_1",
                        success_url="https://giftline.example/paid",
                        cancel_url="https://giftline.example/not-paid",
                    )
                )
                recorded += _recorded(provider)
    return recorded


def _card_calls(amount_minor: int, currency: str) -> list[tuple[Callable[[Card], object], list[object]]]:
    charge = Charge(str(uuid4()), PHONE, amount_minor, currency, "7KQ4M2PH", "cs_test_a1", "pi_1")
    back = Refund(str(uuid4()), charge, amount_minor, "R3FUND22", "re_1")
    nameless = Refund(back.id, charge, amount_minor, "R3FUND22")
    session = {"id": "cs_test_a1", "status": "open", "payment_status": "unpaid", "client_reference_id": charge.id}
    entry = {"id": "re_1", "status": "succeeded", "amount": 5000, "currency": currency.lower()}
    first = {"data": [{**entry, "metadata": {}}], "has_more": True}
    last: dict[str, object] = {"data": [], "has_more": False}
    return [
        (lambda rail: rail.ask(charge), [session]),
        (lambda rail: rail.find(charge), [session]),
        (lambda rail: rail.cancel(charge), [session, session]),
        (lambda rail: rail.refund(back), [entry]),
        (lambda rail: rail.find_refund(back), [entry]),
        (lambda rail: rail.find_refund(nameless), [first, last]),
        (lambda rail: rail.disputes(charge), [last]),
        (lambda rail: rail.listing("2026-10-01", "2026-10-02"), [first, last]),
    ]


def carrier_requests() -> list[Request]:
    """Each request of the carrier billing rail but the one for its token, which is no part of CAMARA's definitions."""
    recorded = []
    for amount_minor, currency in ((102_050, "KES"), (100, "KES"), (500, "UGX")):
        for call, answers in _carrier_calls(amount_minor, currency):
            with Scripted(TOKEN, *(Line(body=answer) for answer in answers)) as provider:
                call(
                    CarrierBilling(
                        base_url=provider.url,
                        client_id="giftline",
                        client_secret="secret",
                        callback_base="https://giftline.example",
                        sink_secret="sink-secret",
                        merchant_name="Giftline",
                        currency=currency,
                        limit_minor=10_000_000,
                    )
                )
                recorded += _recorded(provider)[1:]
    return recorded


def _carrier_calls(amount_minor: int, currency: str) -> list[tuple[Callable[[CarrierBilling], object], list[object]]]:
    charge = Charge(str(uuid4()), PHONE, amount_minor, currency, "7KQ4M2PH", "pay/1 auth-1")
    nameless = Charge(charge.id, PHONE, amount_minor, currency, "7KQ4M2PH")
    whole, part = (Refund(str(uuid4()), charge, amount_minor - less, "R3FUND22") for less in (0, 1))
    named = Refund(part.id, charge, 1, "R3FUND22", "r 1")
    payment = {"paymentId": "pay/1", "paymentStatus": "reserved"}
    back = {"refundId": "r 1", "refundStatus": "succeeded"}
    return [
        (lambda rail: rail.ask(nameless), [payment]),
        (lambda rail: rail.find(nameless), [[]]),
        (lambda rail: rail.find(charge), [payment]),
        (lambda rail: rail.validate(charge, "123456"), [{}, payment]),
        (lambda rail: rail.capture(charge), [{}, payment]),
        (lambda rail: rail.cancel(charge), [{}, payment]),
        (lambda rail: rail.refund(whole), [back]),
        (lambda rail: rail.refund(part), [back]),
        (lambda rail: rail.find_refund(part), [[]]),
        (lambda rail: rail.find_refund(named), [back]),
        (lambda rail: rail.listing("2026-10-01", "2026-10-02"), [[]]),
    ]


def text_requests() -> list[Request]:
    """A text, a call, an MMS and the lists of all that by Twilio, as its own client asks for them."""
    taken = {"sid": "SM" + "0a" * 16, "status": "queued", "num_segments": "1", "to": PHONE}
    made = {"sid": "CA" + "0a" * 16, "status": "queued", "to": PHONE}
    none = [Line(200, {kind: [], "page": 0}) for kind in ("messages", "calls", "messages")]
    with Scripted(Line(201, taken), Line(201, made), Line(201, taken), *none) as provider:
        settings = Settings(giftline_mode="development", twilio_api_base=provider.url, twilio_account_sid=ACCOUNT)
        twilio = Twilio(settings)
        twilio.send(Outbound(7, 1, "twilio", Msisdn(PHONE), "Habari, ça va? 1+1=2 & more"))
        call = Outbound(8, 1, "twilio", Msisdn(PHONE), "", "voice")
        twilio.send(call)
        enclosed = tuple(Enclosed(kind, f"https://giftline.example/m/x/{kind}") for kind in ("card", "sound"))
        mms = Outbound(9, 1, "twilio", Msisdn(PHONE), "Habari", "mms", enclosed)
        twilio.send(mms)
        twilio.look_up(mms, 0)
        twilio.look_up(call, 0)
        twilio.arrived(ReadTo(datetime(2026, 11, 20, 9, 30, tzinfo=UTC)))
        return _recorded(provider)


def _recorded(provider: Scripted) -> list[Request]:
    recorded = []
    for line, headers, body in zip(provider.asked, provider.headers, provider.bodies, strict=True):
        method, _, path = line.partition(" ")
        recorded.append(Request(method, path, {name.lower(): value for name, value in headers.items()}, body))
    return recorded
