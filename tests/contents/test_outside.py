"""Pieces from outside come only from where the operator said, whole, in time, and of the type they should be."""

import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contents import outside
from contents.outside import Listed, NotServed, Provider, fetch, listing, providers, public
from tests.fakes.contents import FakeContents, Handler, Piece

CARD = Piece("card", "Sunset", "image/jpeg", b"\xff\xd8\xff" + bytes(5_000))


@pytest.fixture
def fake() -> Iterator[FakeContents]:
    with FakeContents(pieces={"sunset": CARD}) as fake:
        yield fake


@pytest.fixture
def provider(fake: FakeContents) -> Provider:
    return providers(f"sunny {fake.url}")["sunny"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, in less time."""
    monkeypatch.setattr(outside, "TOTAL_SECONDS", 0.4)
    monkeypatch.setattr(outside, "CONNECT_SECONDS", 0.2)


def test_a_listed_piece_is_fetched_as_it_is(fake: FakeContents, provider: Provider) -> None:
    assert listing(provider) == [Listed("sunset", "card", "Sunset")]
    assert fetch(provider, "sunset") == outside.Fetched(CARD.body, "image/jpeg")
    assert [path for path, _ in fake.asked] == ["/v1/contents", "/v1/contents/sunset"]


def test_nothing_of_ours_is_sent_along(fake: FakeContents, provider: Provider) -> None:
    fetch(provider, "sunset")

    assert fake.asked[0][1].keys() == {"Host", "Accept", "Accept-Encoding"}


# Which addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        "sunny",
        "sunny ftp://contents.example",
        "sunny http://contents.example",
        "sunny http://10.0.0.1/",
        "sunny https://",
        "sunny https://user:secret@contents.example",
        "sunny https://contents.example?x=1",
        "sunny https://contents.example#x",
        "sunny https://contents.example:99999",
        "SUNNY https://contents.example",
        "sunny https://a.example; sunny https://b.example",
        "https://contents.example",
        "sunny file:///etc/passwd",
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="CONTENT_PROVIDERS"):
        providers(setting)


def test_several_providers_stand_in_one_setting() -> None:
    found = providers("sunny https://contents.example/v1/ ; rainy https://other.example:8443")

    assert found == {
        "sunny": Provider("sunny", "https://contents.example/v1"),
        "rainy": Provider("rainy", "https://other.example:8443"),
    }
    assert providers("") == {}


INSIDE = re.findall(
    r"\S+",
    """
    127.0.0.1 127.8.8.8 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
    100.64.0.1 100.127.255.254 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9
    192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::127.0.0.1 fe80::1 fe80::1%eth0
    fc00::1 fd12:3456::1 fec0::1 ff02::1 2002:7f00:1:: 2002:a9fe:a9fe::1 2001:0:4136:e378::1
    64:ff9b::7f00:1 64:ff9b:1::1 2001:db8::1 3fff::1 100::1 5f00::1 ::ffff:0:127.0.0.1
    """,
)


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_inside_a_network_is_public(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_addresses_everybody_can_reach_are_public(address: str) -> None:
    assert public(address)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Makes every name lead to these addresses; returns what was then connected to."""
    connected: list[Any] = []

    def to(*addresses: str) -> list[Any]:
        def look_up(host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port)) for ip in addresses]

        def connect(address: tuple[str, int], **_: Any) -> socket.socket:
            connected.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        monkeypatch.setattr(socket, "create_connection", connect)
        return connected

    return to


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_never_connected_to(address: str, resolves: Callable[..., list[Any]]) -> None:
    connected = resolves(address)
    with pytest.raises(NotServed, match=r"may not have|not public"):
        listing(Provider("sunny", "https://contents.example"))

    assert connected == []


def test_one_address_inside_among_public_ones_is_enough_to_refuse(resolves: Callable[..., list[Any]]) -> None:
    connected = resolves("8.8.8.8", "10.0.0.1")
    with pytest.raises(NotServed, match="not public"):
        listing(Provider("sunny", "https://contents.example"))

    assert connected == []


def test_what_is_connected_to_is_the_address_that_was_judged_and_not_the_name(
    resolves: Callable[..., list[Any]],
) -> None:
    connected = resolves("8.8.8.8")
    with pytest.raises(NotServed, match="could not be reached"):
        listing(Provider("sunny", "https://contents.example"))

    assert connected == [("8.8.8.8", 443)]


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost."]
)
def test_other_spellings_of_our_own_address_lead_nowhere(host: str, fake: FakeContents) -> None:
    port = fake.url.rpartition(":")[2]
    with pytest.raises(NotServed):
        fetch(Provider("sunny", f"https://{host}:{port}"), "sunset")

    assert fake.asked == []


def test_a_name_meant_for_this_machine_leads_nowhere_else(resolves: Callable[..., list[Any]]) -> None:
    connected = resolves("8.8.8.8")
    with pytest.raises(NotServed, match="may not have"):
        listing(Provider("local", "http://localhost:8000"))

    assert connected == []


@pytest.mark.parametrize(
    "key", ["", "../admin", "a/b", "a?b", "A", "x" * 61, "-a", "a%2e", "http://evil.example", "a\r\nX: y"]
)
def test_a_key_cannot_become_another_path(key: str, fake: FakeContents, provider: Provider) -> None:
    with pytest.raises(NotServed, match="key"):
        fetch(provider, key)

    assert fake.asked == []


# What a provider may do to us -----------------------------------------------------------------------------------------


def redirect(handler: Handler) -> None:
    handler.say(302, "image/jpeg", b"", Location="/v1/contents/elsewhere")


def large(handler: Handler) -> None:
    handler.say(200, "image/jpeg", bytes(outside.MOST_BYTES + 1))


def endless(handler: Handler) -> None:
    handler.drip(
        b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"8000\r\n" + bytes(0x8000) + b"\r\n",
        lambda _: None,
    )


def packed(handler: Handler) -> None:
    handler.say(200, "image/jpeg", gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")


def broken_off(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\nabc")


def without_length(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\nabc")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (redirect, "redirect"),
        (large, "more than 1,000,000"),
        (endless, "more than 1,000,000"),
        (packed, "packed"),
        (broken_off, "broke off"),
        (without_length, "how long"),
        (lambda handler: handler.say(200, "text/html", b"<html>"), "type"),
        (lambda handler: handler.say(200, "image/svg+xml", b"<svg/>"), "type"),
        (lambda handler: handler.say(404, "image/jpeg", b""), "answered 404"),
        (lambda handler: handler.say(500, "image/jpeg", b""), "answered 500"),
        (lambda handler: handler.say(206, "image/jpeg", b"part"), "answered 206"),
        (lambda handler: None, "could not be reached"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n"), "could not be reached"),
        (
            lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
            "could not be reached",
        ),
    ],
)
def test_whatever_else_a_provider_answers_is_refused_with_a_reason(
    trouble: Callable[[Handler], None], reason: str, fake: FakeContents, provider: Provider
) -> None:
    fake.misbehaves["/contents/sunset"] = trouble
    with pytest.raises(NotServed, match=reason):
        fetch(provider, "sunset")

    assert len(fake.asked) == 1


JPEG_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 5000\r\n\r\n"


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", JPEG_HEAD], ids=["status line", "header", "body"]
)
def test_an_answer_that_drips_is_cut_off_when_the_time_is_over(
    head: bytes, impatient: None, fake: FakeContents, provider: Provider
) -> None:
    fake.misbehaves["/contents/sunset"] = lambda handler: handler.drip(head, b"x", time.sleep)
    with pytest.raises(NotServed):
        fetch(provider, "sunset")


def test_a_handshake_that_drips_is_cut_off_as_well(impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes the connection and never says a word of TLS
        provider = Provider("silent", f"https://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(NotServed, match="could not be reached"):
            fetch(provider, "sunset")


def test_a_provider_that_is_not_there_is_refused_with_a_reason() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Provider("gone", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(NotServed, match="could not be reached"):
        fetch(nobody, "sunset")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"contents": 7}',
        b'{"contents": [7]}',
        b"\xff\xfe",
        json.dumps({"contents": [{"key": "a", "kind": "film", "title": "A"}]}).encode(),
        json.dumps({"contents": [{"key": "../a", "kind": "card", "title": "A"}]}).encode(),
        json.dumps({"contents": [{"key": "a", "kind": "card", "title": "A" * 21}]}).encode(),
        json.dumps({"contents": [{"key": "a", "kind": "card", "title": "A\nB"}]}).encode(),
        json.dumps({"contents": [{"key": "a", "kind": "card", "title": ""}]}).encode(),
        json.dumps({"contents": [{"key": 1, "kind": [], "title": {}}]}).encode(),
        json.dumps({"contents": [{"key": f"a{n}", "kind": "card", "title": "A"} for n in range(201)]}).encode(),
    ],
)
def test_a_list_in_another_shape_is_refused(body: bytes, fake: FakeContents, provider: Provider) -> None:
    fake.misbehaves["/contents"] = lambda handler: handler.say(200, "application/json", body)
    with pytest.raises(NotServed, match="list"):
        listing(provider)
