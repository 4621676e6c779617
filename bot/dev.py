"""`bin/dev`: the whole product on one machine: embedded servers, migrations, demo data, web, worker, a mail server, and the
providers that are paid. Ctrl-C ends all."""

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import requests
from honcho.manager import Manager

from bot import servers
from bot.cli_contents import load_shipped
from bot.config import Settings
from circulation.stocking import DEMO, StockRefused, stock
from phones import mail_server, rails
from storage.database import Database, migrate
from storage.roles import Role

READY_SECONDS = 30
WORKER = "worker"


def main() -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code."""
    os.environ.setdefault("GIFTLINE_MODE", "development")
    settings = Settings.load()
    played = _played(settings)
    _need_ports(settings.port, *played.values())
    with servers.in_use(settings) as addresses:
        processes = _procfile(settings) | {name: f"{sys.executable} -m phones.{name}" for name in played}
        return _run(settings, processes, addresses.database_url, addresses.redis_url)


def _played(settings: Settings) -> Mapping[str, int]:
    """What plays the outside world beside the browser phones, and the port it needs."""
    played = {}
    if rails.played(settings):
        played["rails"] = settings.port + 1
    if mail_server.played(settings):
        played["mail_server"] = settings.port + 2
    return played


def _need_ports(*ports: int) -> None:
    """Raises CannotStart when somebody else listens on one of them."""
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            needed = " and ".join(str(one) for one in ports)
            raise servers.CannotStart(f"port {port} is taken. It needs {needed}; choose another PORT.") from None


def work_when_ready() -> None:
    """Become the worker once the web server answers: the phones and the providers it speaks to are served there."""
    _is_ready(f"http://127.0.0.1:{Settings.load().port}")
    os.execv(sys.executable, [sys.executable, "-m", "bot.worker"])  # noqa: S606 - this very process, in its own words


def _run(settings: Settings, processes: Mapping[str, str], database_url: str, redis_url: str) -> int:
    migrate(database_url)
    demo = _demo(database_url, settings.country)
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "PYTHONUNBUFFERED": "1"}
    manager = Manager()
    for name, command in processes.items():
        manager.add_process(name, f"exec {command}", env=environment)
    threading.Thread(target=_greet, args=(settings, demo), daemon=True).start()
    manager.loop()
    return int(manager.returncode or 0)


def _procfile(settings: Settings) -> dict[str, str]:
    """The processes of the Procfile that run for good, in this very Python.

    The worker waits for the web server, and without an SMSC nothing speaks to it.
    """
    lines = (Path(__file__).parent.parent / "Procfile").read_text().splitlines()
    processes = dict(line.split(": ", 1) for line in lines if ": " in line)
    idle = {"release"} if settings.smpp_host else {"release", "smpp"}
    commands = processes | {"worker": f"python -m bot.dev {WORKER}"}
    return {
        name: command.replace("python", sys.executable, 1) for name, command in commands.items() if name not in idle
    }


def _demo(database_url: str, country: str) -> list[str]:
    """Load the country's demo data and say what there is."""
    path = DEMO / f"{country}.toml"
    database = Database(database_url, role=Role.CONSOLE, connections=1)
    try:
        with database.begin() as db:
            stocked = stock(db, path)
        load_shipped(database)
    except StockRefused as error:
        return [f"No demo data for COUNTRY={country} ({error})."]
    finally:
        database.close()
    lines = [
        f"Demo data for {country}: {stocked.issuers} issuers with {stocked.prices} prices. Stores and their clerks:"
    ]
    return [*lines, *(f"  {name}: {', '.join(clerks)}" for name, clerks in stocked.stores)]


def _greet(settings: Settings, demo: list[str]) -> None:
    """Once the web server answers, say where everything is and what to try first."""
    home = f"http://127.0.0.1:{settings.port}"
    if not _is_ready(home):
        print(f"Giftline did not answer at {home} within {READY_SECONDS} seconds; see above.", flush=True)
        return
    print("\n".join(["", *demo, "", f"Giftline is ready. Phones in your browser: {home}/phones"]), flush=True)
    print(
        f"First thing to try: on Amina's phone dial {settings.service_code}, choose Buy, and follow the screens.\n"
        "Then Give it to Baraka, accept on his phone, get a code with Pay in a shop,\n"
        "and text USE <code> <amount> from the till. Ctrl-C stops everything.\n",
        flush=True,
    )


def _is_ready(home: str) -> bool:
    """Whether the web server answers, which is waited for."""
    for _ in range(READY_SECONDS * 10):
        with suppress(requests.RequestException):
            if requests.get(f"{home}/health/ready", timeout=1).ok:
                return True
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    if sys.argv[1:] == [WORKER]:
        work_when_ready()
    sys.exit(servers.or_say_why(main))
