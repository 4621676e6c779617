"""All fake providers on one server, with doors for the people whose phones they ask."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from payments.fakes.bank import FakeBank
from payments.fakes.card import FakeCard
from payments.fakes.carrier import FakeCarrier
from payments.fakes.faults import Calls, Fault, Faults
from payments.fakes.momo import FakeMomo
from payments.fakes.mpesa import FakeMpesa
from payments.fakes.people import Answer, Asking

RAILS = ("mpesa", "momo", "card", "carrier", "bank")


@dataclass(frozen=True, slots=True)
class Merchant:
    """What the providers know of us: the credentials we were given, where Stripe calls us (nowhere while it is empty), and our
    account at the bank with its currency. `mpesa` and `momo` are by the names of their gateways' arguments."""

    mpesa: Mapping[str, str] = field(default_factory=lambda: FakeMpesa.credentials, repr=False)
    momo: Mapping[str, str] = field(default_factory=lambda: FakeMomo.credentials, repr=False)
    stripe_secret_key: str = field(default="dev-stripe-key", repr=False)
    stripe_webhook_secret: str = field(default="dev-stripe-webhook-secret", repr=False)
    stripe_webhook_url: str = ""
    carrier_client_id: str = "dev-carrier-client"
    carrier_client_secret: str = field(default="dev-carrier-secret", repr=False)
    bank_account: str = "KE0300010001000012345678"
    currency: str = "KES"


class FakeRails:
    """`with FakeRails() as rails:` serves every fake at `rails.url`, each under its own name (`rails.url + "/mpesa"`).

    `seed` and `rates` are for the dice of `faults`: one Faults for each name in RAILS, so that the faults of one fake do not
    touch the others. `calls` holds the callbacks of all of them. `port` 0 is a free one. `drop` is the folder of the bank's
    statements; `send(msisdn, text)` carries the texts of the network itself.
    """

    def __init__(
        self,
        seed: int = 0,
        rates: Mapping[Fault, float] | None = None,
        *,
        at_once: bool = False,
        port: int = 0,
        drop: Path | None = None,
        merchant: Merchant = Merchant(),
        send: Callable[[str, str], None] = lambda _msisdn, _text: None,
    ) -> None:
        self.faults = {rail: Faults(seed * len(RAILS) + number, rates) for number, rail in enumerate(RAILS)}
        self.calls = Calls(at_once=at_once)
        self.mpesa = FakeMpesa(self.faults["mpesa"], self.calls, merchant.mpesa)
        self.momo = FakeMomo(self.faults["momo"], self.calls, merchant.momo)
        self.card = FakeCard(
            self.faults["card"],
            self.calls,
            secret_key=merchant.stripe_secret_key,
            webhook_secret=merchant.stripe_webhook_secret,
            webhook_url=merchant.stripe_webhook_url,
        )
        self.carrier = FakeCarrier(
            self.faults["carrier"],
            self.calls,
            client_id=merchant.carrier_client_id,
            client_secret=merchant.carrier_client_secret,
            send=send,
        )
        self.bank = FakeBank(
            self.faults["bank"], self.calls, currency=merchant.currency, account=merchant.bank_account, drop=drop
        )
        self._server = make_server("127.0.0.1", port, self._app(), threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self.serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self) -> None:
        """Answer requests until somebody stops it."""
        self._server.serve_forever(0.02)  # looks for its end that often

    def taken_minor(self, currency: str) -> int:
        """What all of them truly took and did not give back, in minor units."""
        return sum(fake.taken_minor(currency) for fake in self._asking())

    def _asking(self) -> tuple[Asking, ...]:
        return (self.mpesa, self.momo, self.card, self.carrier, self.bank)

    def _app(self) -> Flask:
        app = Flask(__name__)
        for fake in (self.mpesa, self.momo, self.card, self.carrier, self.bank):
            app.register_blueprint(fake.blueprint)
        people = Blueprint("people", __name__, url_prefix="/people")
        people.add_url_rule("/prompts", view_func=self._prompts, methods=["GET"])
        people.add_url_rule("/prompts/<path:prompt_id>", view_func=self._answer, methods=["POST"])
        app.register_blueprint(people)
        return app

    def _prompts(self) -> Response:
        """The questions on every phone that is named; the plus of a number may arrive as a blank."""
        numbers = ["+" + number.strip().removeprefix("+") for number in request.args.getlist("msisdn")]
        prompts = [prompt for number in numbers for fake in self._asking() for prompt in fake.prompts(number)]
        shown = ("id", "rail", "msisdn", "sentence", "amount_minor", "currency")
        return jsonify(prompts=[{name: getattr(prompt, name) for name in shown} for prompt in prompts])

    def _answer(self, prompt_id: str) -> tuple[Response | str, int]:
        body: Any = request.get_json(silent=True)
        given = body.get("answer") if isinstance(body, dict) else None
        answer = next((known for known in get_args(Answer) if known == given), None)
        if answer is None:
            return jsonify(error=f"answer is one of {', '.join(get_args(Answer))}"), 400
        for fake in self._asking():
            try:
                fake.answer(prompt_id, answer)
            except KeyError:
                continue
            return "", 204
        return jsonify(error="no such question waits"), 404


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Addresses hold phone numbers: they are not logged."""
