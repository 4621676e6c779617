"""The PostgreSQL and the Valkey that start by themselves when no address of one is configured.

Promise: `start(folder)` gives a real PostgreSQL and a real Valkey that keep their data in that folder, listen
on Unix sockets only, need neither root nor a system package, and die with the process that started them, even
when it is killed.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from bot.embedded_programs import NotInstalled, postgres_programs, valkey_program

__all__ = ["CannotStart", "NotInstalled", "Servers", "connect_or_start", "start"]

HANDOVER_SECONDS = 1.0  # servers whose parent was just killed may still answer for a moment
READY_SECONDS = 30.0  # a slow disk, or recovery after a power cut, takes its time
STOP_SECONDS = 10.0

# The path of a socket may have 103 bytes (macOS; Linux: 107), of which "/.s.PGSQL.5432" takes 14,
# and PostgreSQL takes a comma in the name of the folder for the end of it.
SOCKET_FOLDER = re.compile(r"[A-Za-z0-9_./-]{1,85}")


class CannotStart(RuntimeError):
    """The servers are installed and cannot be started on this folder; the message says why."""


@dataclass(frozen=True)
class Servers:
    """Where the two servers listen, and the processes of those that this process started itself."""

    database_url: str
    redis_url: str
    _data: Path = field(repr=False)
    _processes: tuple[subprocess.Popen[bytes], ...] = field(default=(), repr=False)

    def stop(self) -> None:
        """Stop both servers cleanly and wait for their end; do nothing when another process started them."""
        if not self._processes:
            return
        _stop(self._processes)
        if (lock := _lock(self._data)) is not None:  # else the next ones have started there already
            shutil.rmtree(_sockets(self._data))
            os.close(lock)


def start(data: Path, *, durable: bool = True) -> Servers:
    """Start both servers on the folder `data`, create what is missing there, return when both answer.

    `durable=False` is for tests: quicker, and a power cut may lose everything.
    Call it from the main thread. Raises NotInstalled, or CannotStart, also when servers run there already.
    """
    data = _prepared(data)
    lock = _claim(data, HANDOVER_SECONDS)
    if lock is None:
        raise CannotStart(f"PostgreSQL and Valkey already run on {data}; stop them or choose another folder")
    return _start(data, lock, durable)


def connect_or_start(data: Path) -> Servers:
    """Use the servers that already run on the folder `data` (`stop()` then leaves them alone), or start them.

    Raises what `start` raises, and CannotStart when servers hold `data` and do not answer.
    """
    data = _prepared(data)
    lock = _claim(data, 0)
    return _servers(data) if lock is None else _start(data, lock, durable=True)


def _start(data: Path, lock: int, durable: bool) -> Servers:
    """Start both servers; they inherit `lock`, our own copy of it is closed here."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        if threading.current_thread() is not threading.main_thread():
            raise CannotStart("start the servers from the main thread: they end with their starting thread")
        postgres, major = _choose_postgres(data)
        valkey = valkey_program()
        for leftover in _sockets(data).iterdir():  # whoever listened there is dead: we hold the lock
            leftover.unlink()
        processes.append(_start_valkey(data, lock, valkey, durable))
        prefix = _unprivileged(data, postgres)
        if not (data / "postgres").exists():
            _create_cluster(data, lock, [*prefix, str(postgres.with_name("initdb"))], major, durable)
        processes.append(_start_postgres(data, lock, [*prefix, str(postgres)], durable))
        _wait_until(lambda: _valkey_answers(data), processes[0], data / "valkey.log")
        maintenance = _database_url(data, "postgres")
        _wait_until(lambda: _postgres_answers(maintenance), processes[1], data / "postgres.log")
        _create_database(maintenance)
    except BaseException:
        _stop(processes)
        raise
    finally:
        os.close(lock)
    return _servers(data, *processes)


# --- the folder, its lock and its addresses ---


def _prepared(data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    return data.resolve()


def _claim(data: Path, patience: float) -> int | None:
    """The lock of `data` once it is free, or None when its servers still answer after `patience` seconds."""
    began = time.monotonic()
    while (lock := _lock(data)) is None:
        waited = time.monotonic() - began
        if waited >= patience and _both_answer(data):
            return None
        if waited > READY_SECONDS:
            raise CannotStart(f"PostgreSQL and Valkey hold {data} and do not answer; see the logs there")
        time.sleep(0.02)
    return lock


def _lock(data: Path) -> int | None:
    """A locked descriptor, or None while servers live on `data`.

    The servers inherit it, so the kernel frees the lock exactly when the last of their processes has ended.
    """
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _sockets(data: Path) -> Path:
    """The folder of both sockets: in `data` or, if that path does not suit a socket, a short one of its own.

    Raises CannotStart unless the folder is ours alone: its owner could answer in the place of the servers.
    """
    folder = data / "run"
    if not SOCKET_FOLDER.fullmatch(str(folder)):
        name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir(), f"giftline-{name}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise CannotStart(f"{folder} must be a folder that only you can open; remove it and try again")
    return folder


def _database_url(data: Path, database: str) -> str:
    """The port is part of the socket's name; it is spelled out lest PGPORT in the environment change it."""
    return f"postgresql://app@/{database}?host={quote(str(_sockets(data)))}&port=5432"


def _both_answer(data: Path) -> bool:
    return _valkey_answers(data) and _postgres_answers(_database_url(data, "giftline"))


def _servers(data: Path, *processes: subprocess.Popen[bytes]) -> Servers:
    redis_url = f"unix://{_sockets(data)}/valkey.sock?db=0"
    return Servers(_database_url(data, "giftline"), redis_url, data, processes)


# --- PostgreSQL ---


def _choose_postgres(data: Path) -> tuple[Path, int]:
    """The `postgres` to run and its major version, which is that of the cluster in `data` if there is one."""
    programs = postgres_programs()
    marker = data / "postgres" / "PG_VERSION"
    maker = int(marker.read_text()) if marker.exists() else programs[0][1]
    for program, major in programs:
        if major == maker:
            return program, major
    raise CannotStart(f"{data} was made by PostgreSQL {maker}: install that version, or move the folder away")


def _unprivileged(data: Path, postgres: Path) -> list[str]:
    """The prefix under which PostgreSQL, which refuses root and users without a name, may own its cluster.

    For those it is a user namespace in which we are called nobody: the files stay ours, and nothing outside
    `data` changes. Where namespaces are forbidden, root becomes the real nobody, who may enter every folder.
    Dying with the parent comes last, since a change of user cancels it.
    """
    if sys.platform != "linux" or (os.geteuid() != 0 and _have_a_name()):
        return _dying_with_parent()
    nobody = pwd.getpwnam("nobody")
    rights = ["--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    ways = [
        ["unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}"],
        ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", *rights],
    ]
    cluster = data / "postgres"
    owns = ["sh", "-c", '[ -w "$2" ] && [ -x "$3" ] && { [ ! -e "$1" ] || [ -O "$1" ]; }', "sh"]
    places = [cluster, cluster if cluster.exists() else data, postgres]
    for way in ways:
        if not shutil.which(way[0]):
            continue
        if subprocess.run([*way, *owns, *places], check=False, capture_output=True).returncode == 0:
            return [*way, *_dying_with_parent()]
    raise CannotStart(
        f"PostgreSQL refuses root and users without a name, and cannot use {data} as nobody: "
        "start as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _have_a_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _create_cluster(data: Path, lock: int, initdb: list[str], major: int, durable: bool) -> None:
    """Create the cluster beside its place, then move it: it is there as a whole or not at all."""
    fresh = data / "postgres.new"
    if fresh.exists():
        shutil.rmtree(fresh)  # a creation that was killed
    options = [f"--pgdata={fresh}", "--username=app", "--auth=trust", "--encoding=UTF8", "--no-instructions"]
    if major >= 17:  # has a C.UTF-8 of its own, the same on every system
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        options += ["--locale-provider=libc", "--locale=C.UTF-8"]
    options.append("--data-checksums" if durable else "--no-sync")
    if _spawn([*initdb, *options], data, data / "postgres.log", lock).wait() != 0:
        raise CannotStart(f"initdb failed: {_last_words(data / 'postgres.log')}")
    fresh.rename(data / "postgres")


def _start_postgres(data: Path, lock: int, postgres: list[str], durable: bool) -> subprocess.Popen[bytes]:
    settings = [
        "listen_addresses=",
        "port=5432",
        f"unix_socket_directories={_sockets(data)}",
        "max_connections=200",
        "shared_buffers=32MB",
        "timezone=UTC",
        "log_timezone=UTC",
        # Statements and the details of errors hold what customers sent: neither is logged.
        "log_min_error_statement=panic",
        "log_error_verbosity=terse",
    ]
    if not durable:
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    cluster = data / "postgres"
    _forget_dead_postgres(cluster / "postmaster.pid")
    command = [*postgres, "-D", str(cluster), *(word for setting in settings for word in ("-c", setting))]
    return _spawn(command, data, data / "postgres.log", lock)


def _forget_dead_postgres(pid_file: Path) -> None:
    """Remove what a killed PostgreSQL left: given to another program, its process id would bar our start."""
    if pid_file.exists() and sys.platform == "linux":
        name = Path("/proc", pid_file.read_text().partition("\n")[0], "comm")
        if not name.is_file() or name.read_text().strip() != "postgres":
            pid_file.unlink()


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_database(maintenance_url: str) -> None:
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'giftline'").fetchone():
            connection.execute("CREATE DATABASE giftline")


# --- Valkey ---


def _start_valkey(data: Path, lock: int, program: Path, durable: bool) -> subprocess.Popen[bytes]:
    folder = data / "valkey"  # where it runs is where it keeps its data
    folder.mkdir(mode=0o700, exist_ok=True)
    options = ["--port", "0", "--unixsocket", f"{_sockets(data)}/valkey.sock", "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
    return _spawn([*_dying_with_parent(), str(program), *options], folder, data / "valkey.log", lock)


def _valkey_answers(data: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(f"{_sockets(data)}/valkey.sock")
            connection.sendall(b"PING\r\n")
            return connection.recv(64) == b"+PONG\r\n"  # it says -LOADING while it reads its data
        except OSError:
            return False


# --- programs and processes ---


def _dying_with_parent() -> list[str]:
    """Linux can interrupt a process whose parent dies; elsewhere the next `connect_or_start` finds it."""
    can = sys.platform == "linux" and shutil.which("setpriv")
    return ["setpriv", "--pdeathsig", "INT", "--"] if can else []


def _spawn(command: list[str], folder: Path, log: Path, lock: int) -> subprocess.Popen[bytes]:
    """Run `command` in a session of its own: Ctrl-C reaches us alone, and we stop the servers last."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},  # no PG* of the caller
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(lock,),
            start_new_session=True,
        )


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"{log.stem} did not start: {_last_words(log)}")
        time.sleep(0.01)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask, then insist. To PostgreSQL an interrupt means: end every session, write all down, exit."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        for harder in (signal.SIGQUIT, signal.SIGKILL):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(harder)
        process.wait()


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-3:])
