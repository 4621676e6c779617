"""The place of the measurements: private embedded servers that keep what they are told (fsync on), and web servers."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import redis

from bot import embedded
from bot.config import Settings
from bot.embedded_programs import postgres_programs
from circulation.stocking import DEMO, stock
from storage.database import Database, migrate
from storage.roles import Role
from tests.bench.measure import Wrong
from tests.people import EVERYTHING

ROOT = Path(__file__).parents[2]
READY_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_ALL_DONE = "number of failed transactions: 0 "


@dataclass(frozen=True, slots=True)
class Web:
    """A web server: its port and its first process."""

    port: int
    pid: int


class Site:
    """PostgreSQL and Valkey of this run alone, the product's database in them, and what may be asked of them."""

    def __init__(self, servers: embedded.Servers, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self.redis = redis.Redis.from_url(servers.redis_url)
        self.database_url = servers.database_url
        self._programs = postgres_programs()[0][0].parent
        self._numbers = 10_000_000

    def settings(self, port: int = 8000) -> Settings:
        """Development settings on these servers; everything else as it is by default."""
        return Settings(
            giftline_mode="development",
            database_url=self.database_url,
            redis_url=self._servers.redis_url,
            port=port,
            routes="",
            smtp_url="",
        )

    def next_number(self, people: int) -> int:
        """The first of so many phone numbers, eight digits after +2547, that nobody had before."""
        self._numbers += people
        return self._numbers - people

    def new_database(self, name: str) -> str:
        """The address of an empty database."""
        with psycopg.connect(self._servers.database_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._servers.database_url.replace("/giftline?", f"/{name}?")

    @contextmanager
    def web(self, module: str) -> Iterator[Web]:
        """`python -m module` serving on a free port; it is stopped at the end."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        environment = {
            **os.environ,
            "GIFTLINE_MODE": "development",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self._servers.redis_url,
            "PORT": str(port),
            "ROUTES": "",
        }
        process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment)
        try:
            _wait_for(port, process)
            yield Web(port, process.pid)
        finally:
            process.terminate()
            process.wait(READY_SECONDS)

    def cpu_seconds(self, web: Web) -> float:
        """User and system seconds so far of a web server, PostgreSQL and Valkey: all their processes, ended ones as well."""
        postgres = int((self._folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        valkey = int(self.redis.info("server")["process_id"])
        return _cpu_seconds({web.pid, postgres, valkey})

    def pgbench(self, url: str, *options: str) -> float:
        """Transactions a second by PostgreSQL's own benchmark program, connecting not counted. Raises Wrong."""
        command = [str(self._programs / "pgbench"), "--no-vacuum", "--protocol=prepared", *options, url]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        found = _TPS.search(ended.stdout)
        if ended.returncode != 0 or not found or _ALL_DONE not in ended.stdout:
            raise Wrong(f"pgbench: {ended.stdout} {ended.stderr}")
        return float(found[1])

    def prepare_pgbench(self, url: str, scale: int) -> None:
        """Fill a database with pgbench's own tables, `scale` times 100,000 accounts."""
        command = [str(self._programs / "pgbench"), "--initialize", "--quiet", f"--scale={scale}", url]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def opened() -> Iterator[Site]:
    """A site with the product's schema and demo data; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="gl-bench-") as name:
        folder = Path(name)
        servers = embedded.start(folder, durable=True)
        try:
            migrate(servers.database_url)
            database = Database(servers.database_url, role=Role.CONSOLE, connections=1)
            with database.begin() as db:
                stock(db, DEMO / "KE.toml")
            database.close()
            with psycopg.connect(servers.database_url) as owner:
                owner.execute(EVERYTHING)
            yield Site(servers, folder)
        finally:
            servers.stop()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/health/live")
            connection.getresponse().read()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()


def _cpu_seconds(roots: set[int]) -> float:
    """From /proc/<pid>/stat (proc(5)): utime, stime, and those of children that ended, cutime and cstime."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked; its parent has its ticks
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    family = set(roots)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(ticks[pid] for pid in family) / TICKS
