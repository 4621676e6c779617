"""Which PostgreSQL and Redis a process works with: those that are named, else the embedded ones of the data folder."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot import embedded
from bot.config import Settings, SettingsRefused
from bot.embedded import CannotStart, NotInstalled

__all__ = ["Addresses", "CannotStart", "NotInstalled", "in_use", "or_say_why"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where both servers are."""

    database_url: str
    redis_url: str


@contextmanager
def in_use(settings: Settings) -> Iterator[Addresses]:
    """The servers for as long as the block runs. Embedded ones that another process started are shared, else started
    here and stopped at the end. Raises NotInstalled or CannotStart. Call it from the main thread."""
    if settings.database_url and settings.redis_url:
        yield Addresses(settings.database_url, settings.redis_url)
        return
    own = embedded.connect_or_start(settings.giftline_data)
    try:
        yield Addresses(settings.database_url or own.database_url, settings.redis_url or own.redis_url)
    finally:
        own.stop()


def or_say_why(main: Callable[[], int]) -> int:
    """What `main` returns; 1 and one line that says why the process cannot start; 130 when Ctrl-C came first."""
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    except (SettingsRefused, NotInstalled, CannotStart) as error:
        print(f"Giftline cannot start: {error}", file=sys.stderr)
        return 1
