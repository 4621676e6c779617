"""A small product for the phones to talk to: the webhooks' addresses on a real port, with a three-screen menu behind."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest
import redis as redis_client
import requests
from flask import Flask, Response, request
from twilio.request_validator import RequestValidator
from werkzeug.serving import BaseWSGIServer, make_server

import phones
from bot.channels.twilio import Twilio
from bot.channels.twilio_voice import TwilioVoice
from bot.config import Settings
from bot.config_rails import DEVELOPMENT_API_BASES, RAIL_SETTINGS
from bot.messages import Enclosed, Form, Outbound, Spoken
from bot.rails import build
from circulation.msisdn import Msisdn
from payments.fakes.server import FakeRails
from payments.gateway import Charge
from phones import Phone, rails
from phones.handset import Handset, Network
from tests.developing import free_ports

PUBLIC = "https://giftline.example"


@dataclass(frozen=True)
class Call:
    """One request that reached the product: its path with query, its form, and whether Twilio's signature fits."""

    path: str
    form: dict[str, str]
    signed: bool


@dataclass
class Product:
    """What stands in for the product: it records every call, and can be told to fail."""

    settings: Settings
    server: BaseWSGIServer
    cast: list[Phone]
    calls: list[Call] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    fails_with: int = 0
    answers: str = ""
    twiml: TwilioVoice = field(init=False)
    media: dict[str, Response] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.twiml = TwilioVoice(self.settings, Twilio(self.settings))

    @classmethod
    def start(cls, settings: Settings, client: redis_client.Redis) -> Self:
        app = Flask("product")
        server = make_server("127.0.0.1", free_ports(), app, threaded=True)
        settings = settings.model_copy(update={"port": server.port, "public_base_url": PUBLIC})
        bases = {name: f"{settings.fakes_url}/{path}" for name, path in DEVELOPMENT_API_BASES.items()}
        settings = settings.model_copy(update=bases)
        cast = [
            Phone("Amina", _number(), "twilio"),
            Phone("Baraka", _number(), "africastalking"),
            Phone("Naivas till", _number(), "twilio", role="till"),
        ]
        product = cls(settings, server, cast)
        app.register_blueprint(phones.blueprint(settings, client, cast))
        secret = settings.africastalking_secret.get_secret_value()
        for path in ("/sms/twilio", "/sms/twilio/status", f"/sms/africastalking/{secret}"):
            app.add_url_rule(path, path, product._quiet, methods=["POST"])
        for path in (f"/sms/africastalking/{secret}/delivery", f"/ussd/africastalking/{secret}/end"):
            app.add_url_rule(path, path, product._quiet, methods=["POST"])
        app.add_url_rule(f"/ussd/africastalking/{secret}", "ussd", product._ussd, methods=["POST"])
        for path in ("/voice/twilio", "/voice/twilio/called", "/voice/twilio/turn"):
            app.add_url_rule(path, path, product._voice, methods=["POST"])
        app.add_url_rule("/voice/twilio/status", "status", product._quiet, methods=["POST"])
        app.add_url_rule("/m/<name>", "media", lambda name: product.media[name])
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()  # looks for its end that often
        return product

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def handset(self, which: int = 0) -> Handset:
        phone = self.cast[which]
        return Network(self.settings).handset(phone.msisdn, phone.carrier)

    @property
    def twilio(self) -> Twilio:
        """What the worker sends by: it speaks to the Twilio that is played here."""
        return Twilio(self.settings.model_copy(update={"twilio_api_base": f"{self.url}/phones/twilio"}))

    def text(self, to: str, body: str, *media: str) -> str:
        """Send a text as the worker does, by Twilio's own client; returns the SID. `media` are names of ours."""
        enclosed = tuple(Enclosed("card", f"{PUBLIC}/m/{name}") for name in media)
        return self.twilio.send(self.outbound(to, body, "mms" if media else "sms", enclosed)).provider_id

    def ring(self, which: int = 0) -> str:
        """Call a phone as the worker does; returns the SID."""
        return self.twilio.send(self.outbound(self.cast[which].msisdn, "A gift", "voice")).provider_id

    def outbound(self, to: str, body: str, form: Form, enclosed: tuple[Enclosed, ...] = ()) -> Outbound:
        return Outbound(42, 1, "twilio", Msisdn(to), body, form, enclosed)

    def api(self, verb: str, body: object, content_type: str = "application/json") -> requests.Response:
        headers = {"Content-Type": content_type}
        return requests.post(f"{self.url}/phones/api/{verb}", json=body, headers=headers, timeout=20)

    def ask_to_pay(self, which: int = 0, reference: str = "7KQ4MXW2") -> str:
        """M-Pesa asks a phone for KES 510, as the worker has it ask; returns the question's name."""
        mpesa = build(self.settings.model_copy(update={"public_base_url": self.url}))["mpesa"]
        assert mpesa
        return mpesa.ask(Charge(str(uuid4()), self.cast[which].msisdn, 51_000, "KES", reference)).handle

    def to(self, end_of_path: str) -> list[Call]:
        return [call for call in self.calls if call.path.partition("?")[0].endswith(end_of_path)]

    def wait_for(self, end_of_path: str, count: int) -> list[Call]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.to(end_of_path)) >= count, timeout=30)
        return self.to(end_of_path)

    def _record(self) -> None:
        validator = RequestValidator(self.settings.twilio_auth_token.get_secret_value())
        path = request.full_path.rstrip("?")
        signed = validator.validate(PUBLIC + path, request.form, request.headers.get("X-Twilio-Signature", ""))
        with self.arrived:
            self.calls.append(Call(path, request.form.to_dict(), signed))
            self.arrived.notify_all()

    def _quiet(self) -> tuple[str, int]:
        self._record()
        return "", self.fails_with or 204

    def _voice(self) -> tuple[str, int]:
        """Says which key was pressed, once; a second key is the last."""
        self._record()
        keys, turn = request.form.get("Digits"), int(request.args.get("n", "0"))
        said = Spoken(f"You pressed {keys}." if keys else "Press a key.", "en", "over" if turn > 1 else "key", turn + 1)
        return self.twiml.render(said), self.fails_with or 200

    def _ussd(self) -> tuple[str, int]:
        self._record()
        inputs = request.form["text"]
        screens = {"": "CON Welcome to Giftline\n1. Buy\n2. Gift", "1": "CON How many sheets?"}
        screen = self.answers or screens.get(inputs, f"END Thank you. You said {inputs}")
        return screen, self.fails_with or 200


def _number() -> str:
    return f"+2547{secrets.randbelow(10**8):08}"


@pytest.fixture
def settings(plain_settings: Settings, tmp_path: Path) -> Settings:
    """Settings by which every way to pay is on offer, and calls are taken."""
    return plain_settings.model_copy(
        update={
            "payment_rails": ",".join(RAIL_SETTINGS),
            "bank_statements": tmp_path / "statements",
            "voice": "twilio",
        }
    )


@pytest.fixture
def product(settings: Settings, redis: redis_client.Redis) -> Iterator[Product]:
    product = Product.start(settings, redis)
    yield product
    product.server.shutdown()
    product.server.server_close()


@pytest.fixture
def fakes(product: Product, redis: redis_client.Redis) -> Iterator[FakeRails]:
    """The providers that are paid, as bin/dev starts them beside the product."""
    with rails.build(product.settings, redis) as fakes:
        yield fakes
