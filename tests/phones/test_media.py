"""Pictures and sounds on the phones: fetched from the product as Twilio fetches them, or told as Twilio tells a failure."""

from typing import TYPE_CHECKING

import pytest
import requests
from flask import Response
from redis import Redis

from phones.airwaves import Airwaves

if TYPE_CHECKING:
    from tests.phones.conftest import Product

PICTURE, SOUND = b"\x89PNG a picture", b"ID3 a song"


def test_a_picture_and_a_sound_are_fetched_and_kept_on_the_phone(product: "Product", redis: Redis) -> None:
    product.media = {
        "card.png": Response(PICTURE, mimetype="image/png"),
        "s.mp3": Response(SOUND, mimetype="audio/mpeg"),
    }
    number = product.cast[0].msisdn
    sid = product.text(number, "For you", "card.png", "s.mp3")

    sent, delivered = product.wait_for("/sms/twilio/status", 2)
    assert (
        sid.startswith("MM") and delivered.form["MessageSid"] == sid and delivered.form["MessageStatus"] == "delivered"
    )
    assert sent.signed
    [text] = Airwaves(redis).texts({number: "0"})
    (picture, _), (sound, _) = text.media
    product.media.clear()  # what a phone has, it keeps
    kept = [requests.get(f"{product.url}/phones/media/{name}", timeout=20) for name in (picture, sound)]
    assert [(answer.headers["Content-Type"], answer.content) for answer in kept] == [
        ("image/png", PICTURE),
        ("audio/mpeg", SOUND),
    ]
    assert requests.get(f"{product.url}/phones/media/unknown", timeout=20).status_code == 404


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response("Not found", 404), "11200"),
        (Response("<html>", mimetype="text/html"), "12300"),
        (Response(iter([PICTURE]), mimetype="image/png"), "11200"),  # says no length
        (Response(b"x" * 500_001, mimetype="audio/mpeg"), "30019"),
    ],
    ids=["missing", "wrong type", "no length", "too large"],
)
def test_what_cannot_be_fetched_is_told_with_twilios_code_and_shown_nowhere(
    product: "Product", redis: Redis, answer: Response, code: str
) -> None:
    product.media = {"card.png": answer}
    product.text(product.cast[0].msisdn, "For you", "card.png")

    [failed] = product.wait_for("/sms/twilio/status", 1)
    assert (failed.form["MessageStatus"], failed.form["ErrorCode"]) == ("failed", code)
    assert Airwaves(redis).texts({product.cast[0].msisdn: "0"}) == []


def test_the_lists_name_what_was_taken_and_nothing_else(product: "Product") -> None:
    number = product.cast[0].msisdn
    text, call = product.text(number, "First"), product.ring()
    product.text(number, "Another")

    taken = product.twilio.look_up(product.outbound(number, "First", "sms"), 0)
    assert [sent.provider_id for sent in taken] == [text]
    rung = product.twilio.look_up(product.outbound(number, "A gift", "voice"), 0)
    assert [sent.provider_id for sent in rung] == [call]
    assert product.twilio.look_up(product.outbound(product.cast[1].msisdn, "First", "sms"), 0) == []
