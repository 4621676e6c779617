"""The doors for providers of payments, and the page a card payer opens. A callback is verified, kept and believed in nothing."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from payments.gateway import Callback, Forged, Gateway, Hint
from webhooks import forbidden, plain, provider_blueprint


def blueprint(
    gateways: Mapping[str, Gateway],
    take_hint: Callable[[str, Hint], None],
    pay_page: Callable[[str], str | None],
) -> Blueprint:
    """The doors of every gateway, by the name in its addresses.

    `take_hint(rail, hint)` keeps what came; `pay_page(reference)` is where its payer pays, None when nothing waits under
    that reference. An `Unavailable` from either becomes a 503, so that it is sent again.
    """
    doors = provider_blueprint("payments")
    doors.register_error_handler(Forged, forbidden)

    @doors.route("/webhooks/payments/<door>", methods=["POST", "PUT"])
    @doors.route("/webhooks/payments/<door>/<secret>/<charge_id>", methods=["POST", "PUT"])
    def callback(door: str, secret: str = "", charge_id: str = "") -> Response:
        gateway = gateways.get(door)
        if gateway is None:
            return plain("", 404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        take_hint(gateway.rail, gateway.hint(Callback(headers, request.get_data(), secret, charge_id)))
        status, body = gateway.acknowledgement
        return Response(body, status, mimetype="application/json")

    @doors.get("/pay/<reference>")
    def pay(reference: str) -> AnyResponse:
        link = pay_page(reference)
        if link is None:
            return plain("Nothing waits to be paid here. You will get a text about every payment.", 404)
        return redirect(link)

    @doors.get("/paid")
    def paid() -> Response:
        return plain("Thank you. You will get a text when the payment is there.")

    @doors.get("/not-paid")
    def not_paid() -> Response:
        return plain("Nothing was paid. The link in your text works for an hour.")

    return doors
