"""The least that a USSD service can be: bare Flask, load a place, save it by compare-and-set, answer one fixed screen.

`python -m tests.bench.floor` serves it just as `bot.web` serves the product.
"""

import redis
from flask import Flask, Response, request
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from bot.config import Settings
from storage.conversations import Conversations, Place

SCREEN = "CON Giftline. What would you like?\n1. Buy\n2. Give\n3. My certificates\n4. Pay in a shop\n5. How it works"


def application() -> Flask:
    """One door, at the path of the product's own, so that the very same requests can be sent to both."""
    settings = Settings.load()
    conversations = Conversations(redis.Redis.from_url(settings.redis_url), seconds=settings.conversation_seconds)
    app = Flask(__name__)

    @app.post("/ussd/africastalking/<secret>")
    def hop(secret: str) -> Response:
        person = request.form["phoneNumber"].encode()
        seen = conversations.load(person)
        place = Place(seen.version + 1, request.form["text"].encode())
        saved = conversations.save(person, place, seen=seen.version)
        return Response(SCREEN, 200 if saved else 409, mimetype="text/plain")

    return app


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings.load()
    Granian(
        "tests.bench.floor:application",
        factory=True,
        address="127.0.0.1",
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_processes,
        blocking_threads=settings.web_threads,
        respawn_failed_workers=True,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
