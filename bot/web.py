"""The web server: granian serving Flask. `python -m bot.web` runs it on PORT."""

import os
import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from bot import servers
from bot.config import Settings
from bot.logs import set_up
from storage.database import migrate


def application() -> Flask:
    """The application of one web process."""
    from bot.app import create_app

    set_up()
    return create_app()


def main() -> int:
    """Migrate, then serve until SIGTERM or SIGINT. Refuses to start with settings that cannot be used."""
    settings = Settings.load()
    with servers.in_use(settings) as addresses:
        os.environ.update(DATABASE_URL=addresses.database_url, REDIS_URL=addresses.redis_url)  # for the processes below
        migrate(addresses.database_url)
        _serve(settings)
    return 0


def _serve(settings: Settings) -> None:
    Granian(
        "bot.web:application",
        factory=True,
        address="127.0.0.1" if settings.development else "0.0.0.0",  # noqa: S104 - providers must reach it
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_processes,
        blocking_threads=settings.web_threads,
        respawn_failed_workers=True,
        log_level=LogLevels.error,  # what it says of itself at start-up is nothing an operator must know
    ).serve()


if __name__ == "__main__":
    sys.exit(servers.or_say_why(main))
