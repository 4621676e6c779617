"""M-Pesa as tests ask it: a gateway with the fake's credentials, charges, refunds, and callbacks as a door hands them on."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from payments.fakes.faults import Call
from payments.fakes.mpesa import FakeMpesa
from payments.gateway import Callback, Charge, Refund
from payments.mpesa import Mpesa

PAYER = "+254712345678"
PATIENCE = 10.0
IMPATIENCE = 0.5
"""Seconds. A slow answer takes longer than this (payments.fakes.faults.SLOW_SECONDS), any other far less."""


def gateway(base_url: str, timeout_seconds: float = PATIENCE, /, **changed: str) -> Mpesa:
    """A gateway that is told to be called back at giftline.example."""
    credentials = {
        **FakeMpesa.credentials,
        "callback_base": "https://giftline.example",
        "callback_secret": "key",
        **changed,
    }
    return Mpesa(base_url=base_url, timeout_seconds=timeout_seconds, **credentials)


def charge(amount_minor: int = 102_000, msisdn: str = PAYER, currency: str = "KES") -> Charge:
    """A new charge."""
    return Charge(str(uuid4()), msisdn, amount_minor, currency, "AB12CD34")


def asked(mpesa: Mpesa, amount_minor: int = 102_000) -> Charge:
    """A charge whose prompt is open."""
    new = charge(amount_minor)
    found = mpesa.ask(new)
    assert (found.state, found.amount_minor) == ("pending", None)
    return replace(new, handle=found.handle)


def received(call: Call) -> Callback:
    """The callback as a door hands it on."""
    *_, secret, charge_id = call.url.split("/")
    return Callback(call.headers, call.body, secret, charge_id)


def changed(call: Call, **parts: Any) -> Callback:
    """The same, with other parts."""
    return replace(received(call), **parts)


def refund(amount_minor: int = 50_000) -> Refund:
    """A new refund of a charge that was paid."""
    return Refund(str(uuid4()), replace(charge(), handle="ws_CO_1"), amount_minor, "RF12CD34")
