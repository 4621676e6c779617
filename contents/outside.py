"""Pieces from outside: a provider's list of contents, and one of them at a time, fetched over HTTPS.

Only the providers named in the setting are ever asked, and of them only the address named there. Nothing a provider
answers leads anywhere else: no redirects, and the host's address is looked up once, refused when it lies inside any
network of ours, and the connection is made to that very address. What is slow, large or of another type is refused.
Nobody waits for this: pieces are fetched when the operator asks for them, never while a gift is given.

The shape of a provider's answers is ours, and described in docs/contents.md.
"""

import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, get_args
from urllib.parse import urlsplit

from contents.renditions import TYPES, Kind

CONNECT_SECONDS = 2.0
"""To find the host's address, and again to reach it."""
TOTAL_SECONDS = 5.0
"""For everything, however slowly the bytes come."""
MOST_BYTES = 1_000_000
MOST_LISTED = 200
LONGEST_TITLE = 20
"""Characters; it is a line of a menu on a phone."""
_JSON = "application/json"
_NAME = re.compile(r"[a-z][a-z0-9]{0,19}")
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carriers' own (RFC 6598)
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "224.0.0.0/4",  # multicast
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address in disguise
        "3fff::/20",  # documentation
    )
]
"""What Python's `is_global` lets through, or did in some version."""


class NotServed(Exception):
    """The provider gave nothing that can be used. The message says why, in one English sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An outside provider: its name in the catalogue and the address under which it answers."""

    name: str
    base: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One piece a provider offers."""

    key: str
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """One piece as it came, and the type its provider says it has; nothing in it is believed yet."""

    body: bytes
    mime: str


def providers(setting: str) -> Mapping[str, Provider]:
    """The providers in the setting, by name. Raises ValueError, which says what is wrong with it."""
    named = {}
    for entry in filter(None, (part.strip() for part in setting.split(";"))):
        name, _, base = entry.partition(" ")
        if not _NAME.fullmatch(name) or name in named:
            raise ValueError(f"CONTENT_PROVIDERS: {name!r} is no name of its own (small letters and digits).")
        parts = urlsplit(base.strip())
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not (parts.hostname and plain and secure and _port(base.strip())):
            raise ValueError(f"CONTENT_PROVIDERS: {name} needs an https:// address without user, query or fragment.")
        named[name] = Provider(name, base.strip().rstrip("/"))
    return named


def listing(provider: Provider) -> list[Listed]:
    """What the provider offers now. Raises NotServed."""
    answer = _get(provider, "/contents", {_JSON})
    try:
        offered = json.loads(answer.body)["contents"]
        found = [_listed(entry) for entry in offered]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise NotServed("Its list is not in the agreed shape.") from error
    if len(found) > MOST_LISTED:
        raise NotServed(f"Its list has more than {MOST_LISTED} pieces.")
    return found


def fetch(provider: Provider, key: str) -> Fetched:
    """One piece the provider offers. Raises NotServed."""
    if not is_key(key):
        raise NotServed("A key has only small letters, digits and hyphens.")
    return _get(provider, f"/contents/{key}", TYPES)


def is_key(key: str) -> bool:
    """Whether this may name a piece: small letters, digits and hyphens."""
    return _KEY.fullmatch(key) is not None


def is_title(title: str) -> bool:
    """Whether this may stand in a menu on a phone: one line, not too long."""
    return title.isprintable() and 0 < len(title.strip()) <= LONGEST_TITLE


def public(address: str) -> bool:
    """Whether this IP address lies outside every private, local, shared or reserved network."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6 and ip not in _PUBLIC_IPV6:  # mapped, translated and local addresses all lie elsewhere
        return False
    return ip.is_global and not any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)


def _listed(entry: Mapping[str, Any]) -> Listed:
    key, kind, title = entry["key"], entry["kind"], entry["title"]
    if not is_key(key) or kind not in get_args(Kind) or not is_title(title):
        raise ValueError("no piece")
    return Listed(key, kind, title.strip())


def _get(provider: Provider, path: str, types: "frozenset[str] | set[str]") -> Fetched:
    """Raises NotServed for anything but one whole answer of one of these types in time."""
    parts = urlsplit(provider.base)
    try:
        with _connected(parts.hostname or "", _port(provider.base), secure=parts.scheme == "https") as connection:
            headers = {"Host": parts.netloc, "Accept": ", ".join(sorted(types)), "Accept-Encoding": "identity"}
            connection.request("GET", parts.path + path, headers=headers)
            return _read(connection.getresponse(), types)
    except NotServed:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        # also the deadline: it closes the connection, and whoever was reading gets one of these
        raise NotServed(f"It could not be reached, or did not answer in {TOTAL_SECONDS:.0f} seconds.") from error


def _read(answer: http.client.HTTPResponse, types: "frozenset[str] | set[str]") -> Fetched:
    if 300 <= answer.status < 400:
        raise NotServed("It answered with a redirect, and those are not followed.")
    if answer.status != 200:
        raise NotServed(f"It answered {answer.status}.")
    mime = answer.headers.get_content_type()
    if mime not in types:
        raise NotServed("It answered with a type that is not taken.")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotServed("It answered with something packed.")
    if answer.length is None and not answer.chunked:
        raise NotServed("It did not say how long its answer is.")
    body = bytearray()
    while chunk := answer.read(16_384):
        body += chunk
        if len(body) > MOST_BYTES:
            raise NotServed(f"It answered with more than {MOST_BYTES:,} bytes.")
    if answer.length:
        raise NotServed("Its answer broke off.")
    return Fetched(bytes(body), mime)


@contextmanager
def _connected(host: str, port: int, *, secure: bool) -> Iterator[http.client.HTTPConnection]:
    """A connection to the very address that was looked up and judged; it is cut off when the time is over."""
    ends = monotonic() + TOTAL_SECONDS
    addresses = _judged(host, port)
    connection = http.client.HTTPConnection(host, port)
    line = _reached(addresses, port, ends)
    guard = line.dup()  # cutting it off works on the same line, also when TLS has taken the other end
    deadline = threading.Timer(max(ends - monotonic(), 0), _cut, [guard])
    deadline.daemon = True
    deadline.start()
    try:
        line.settimeout(TOTAL_SECONDS)
        connection.sock = ssl.create_default_context().wrap_socket(line, server_hostname=host) if secure else line
        yield connection
    finally:
        deadline.cancel()
        connection.close()
        line.close()
        guard.close()


def _reached(addresses: list[str], port: int, ends: float) -> socket.socket:
    """A line to the first of these addresses that answers, and to no other. Raises OSError."""
    for address in addresses:
        with suppress(OSError):  # the next one may answer
            return socket.create_connection(
                (address, port), timeout=min(CONNECT_SECONDS, max(ends - monotonic(), 0.01))
            )
    raise ConnectionRefusedError


def _judged(host: str, port: int) -> list[str]:
    """The host's addresses. Raises NotServed when any of them lies inside, OSError when it has none."""
    found: Future[list[str]] = Future()
    threading.Thread(target=_look_up, args=(host, port, found), daemon=True).start()
    addresses = found.result(CONNECT_SECONDS)
    inside_meant = host in _LOOPBACK
    for address in addresses:
        if inside_meant != ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise NotServed("Its name leads to an address it may not have.")
        if not inside_meant and not public(address):
            raise NotServed("Its name leads into a network that is not public.")
    return addresses


def _look_up(host: str, port: int, found: "Future[list[str]]") -> None:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result([str(address[0]) for *_, address in answers])
    except (OSError, UnicodeError) as error:
        found.set_exception(OSError(str(type(error))))


def _cut(line: socket.socket) -> None:
    with suppress(OSError):  # it ended just now
        line.shutdown(socket.SHUT_RDWR)


def _port(base: str) -> int:
    """The port in an address, or that of its scheme; 0 for one that is no port."""
    parts = urlsplit(base)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0
