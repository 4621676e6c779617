"""Pictures and sounds of a message, fetched as Twilio fetches them, and kept as a phone keeps them.

Source: https://www.twilio.com/docs/messaging/guides/accepted-mime-types (types, sizes) and Twilio's error dictionary.
"""

import requests
from flask import Blueprint, Response, abort

from phones.airwaves import Airwaves, File
from phones.handset import Network

MOST = 10
"""Files in one message."""
LARGEST = 5_000_000
"""Bytes of a picture that Twilio would make smaller for the carrier."""
LARGEST_OTHER = 500_000
"""Bytes of everything else, which goes as it is."""
RESIZED = frozenset({"image/jpeg", "image/png", "image/gif"})
FETCH_SECONDS = 10

NOT_FETCHED, WRONG_TYPE, TOO_LARGE = "11200", "12300", "30019"


class Unfetched(Exception):
    """A file cannot go with a message. `code` is Twilio's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def fetch(network: Network, url: str) -> File:
    """What is at an address of the product: asked for its type and length first, then for itself. Raises Unfetched."""
    address = network.base + url.removeprefix(network.settings.public_base_url)
    with requests.Session() as session:
        session.trust_env = False  # a proxy meant for the outside world must not see these
        try:
            first = session.head(address, timeout=FETCH_SECONDS, allow_redirects=False)
            answer = session.get(address, timeout=FETCH_SECONDS, allow_redirects=False)
        except requests.RequestException:
            raise Unfetched(NOT_FETCHED) from None
    if first.status_code != requests.codes.ok or answer.status_code != requests.codes.ok:
        raise Unfetched(NOT_FETCHED)
    mime = answer.headers.get("Content-Type", "")
    if first.headers.get("Content-Type") != mime or not mime.startswith(("image/", "audio/")):
        raise Unfetched(WRONG_TYPE)
    length = str(len(answer.content))
    if first.headers.get("Content-Length") != length or answer.headers.get("Content-Length") != length:
        raise Unfetched(NOT_FETCHED)
    if len(answer.content) > (LARGEST if mime in RESIZED else LARGEST_OTHER):
        raise Unfetched(TOO_LARGE)
    return File(mime, answer.content)


def blueprint(airwaves: Airwaves) -> Blueprint:
    """GET media/<name>, under /phones: what came with a text."""
    doors = Blueprint("media", __name__, url_prefix="/media")

    @doors.get("/<name>")
    def media(name: str) -> Response:
        file = airwaves.file(name)
        if file is None:
            abort(404)
        answer = Response(file.body, mimetype=file.mime)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return doors
