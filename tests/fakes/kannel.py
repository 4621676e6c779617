"""Debian's Kannel, as docs/gateways.md sets it up: bearerbox and smsbox, with an SMSC behind and Giftline before them."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.fakes import smsc
from tests.fakes.smsc import PATIENCE

PAGE = Path(__file__).parent.parent.parent / "docs" / "gateways.md"
MISSING = smsc.MISSING or ("" if shutil.which("bearerbox") and shutil.which("smsbox") else "needs Kannel")
PROGRAMS = ("bearerbox", "smsbox")


@contextmanager
def kannel(folder: Path, smsc_port: int, giftline: str, secret: str, password: str) -> Iterator[str]:
    """Kannel while the block runs; the address of its sendsms."""
    admin, boxes, sendsms = _free_ports(3)
    spool = folder / "spool"
    spool.mkdir()
    written = _page()
    for old, new in {
        "13000": str(admin),
        "13001": str(boxes),
        "13013": str(sendsms),
        "/var/spool/kannel": str(spool),
        "smsc.operator.example": "127.0.0.1",
        "port = 2775": f"port = {smsc_port}",
        "smsc-password = a-secret": f"smsc-password = {smsc.PASSWORD}",
        "reconnect-delay = 5": "reconnect-delay = 1",
        "http-queue-delay = 10": "http-queue-delay = 1",
        "a-kannel-password": password,
        "https://gift.example": giftline,
        "a-long-random-secret": secret,
    }.items():
        assert old in written, old
        written = written.replace(old, new)
    configuration = folder / "kannel.conf"
    configuration.write_text(written)
    programs: list[subprocess.Popen[bytes]] = []
    log = (folder / "kannel.log").open("ab")
    try:
        for program, port in zip(PROGRAMS, (boxes, sendsms), strict=True):
            programs.append(
                subprocess.Popen([program, "-v", "2", str(configuration)], stdout=log, stderr=log, cwd=folder)
            )
            _listening(port, folder)
        yield f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms"
    finally:
        for running in reversed(programs):
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(2)
            running.kill()
            running.wait()
        log.close()


def _page() -> str:
    found = re.search(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, "docs/gateways.md shows no configuration"
    return found[1]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _listening(port: int, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        time.sleep(0.05)
    raise AssertionError((folder / "kannel.log").read_text())
