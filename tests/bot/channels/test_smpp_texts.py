"""Texts as SMPP carries them: written and read back, in every coding that SMSCs use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import fitting
from bot.channels import smpp_texts
from bot.channels.smpp_texts import Place

texts = st.one_of(
    st.text(max_size=500), st.text(alphabet="aé€[]{}~^|\\@ \n", max_size=800), st.text("a🎁ش", max_size=300)
)


@given(texts)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    coding, body = smpp_texts.encoded(text)
    assert smpp_texts.decoded(coding, body) == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert coding == (smpp_texts.GSM7 if fitting.encoding(text) == "gsm7" else smpp_texts.UCS2)


@given(texts.filter(lambda text: text.isprintable()), st.integers(0, 2**31))
def test_the_parts_of_a_text_say_where_they_belong_and_fit(text: str, reference: int) -> None:
    parts = smpp_texts.parts(text, reference)
    assert len(parts) == fitting.segments(text)
    if len(parts) == 1:
        assert not parts[0].headed
        return
    opened = [smpp_texts.unheaded(part.body) for part in parts]
    assert [place for place, _ in opened] == [
        Place(reference & 0xFF, len(parts), at) for at in range(1, len(parts) + 1)
    ]
    assert smpp_texts.decoded(parts[0].coding, b"".join(body for _, body in opened)) == text
    most = 159 if parts[0].coding == smpp_texts.GSM7 else 140
    assert max(len(part.body) for part in parts) <= most


@pytest.mark.parametrize(
    ("coding", "body", "text"),
    [
        (0x00, b"\x00\x1b\x65\x1b\x0a", "@€\f"),
        (0x00, b"\x1b\x41x\x1b", "Ax"),  # an extension nobody knows, and an escape at the end
        (0x0F, b"4826", "4826"),
        (0x10, b"4826", "4826"),
        (0xF1, b"4826", "4826"),
        (0x01, b"4826", "4826"),
        (0x03, "é£".encode("latin-1"), "é£"),
        (0x08, "١٢🎁".encode("utf-16-be"), "١٢🎁"),
        (0x18, "١٢".encode("utf-16-be"), "١٢"),
        (0x48, "١٢".encode("utf-16-be"), "١٢"),
        (0xE0, "١٢".encode("utf-16-be"), "١٢"),
        (0xC8, b"4826", "4826"),
        (0x02, b"\x00\x01", ""),
        (0x04, b"\x00\x01", ""),
        (0x14, b"\x00\x01", ""),
        (0xF5, b"\x00\x01", ""),
    ],
)
def test_each_coding_is_read_as_what_it_is(coding: int, body: bytes, text: str) -> None:
    assert smpp_texts.decoded(coding, body) == text


@given(st.integers(0, 255), st.binary(max_size=60))
def test_no_octets_make_a_fault(coding: int, body: bytes) -> None:
    smpp_texts.decoded(coding, body)
    smpp_texts.unheaded(body)


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("050003a70201", Place(0xA7, 2, 1)),
        ("060804a7000302", Place(0xA700, 3, 2)),
        ("0a05041583000a0003a70201", None),  # cut off
        ("0b05041583000a0003a70201", Place(0xA7, 2, 1)),  # ports first
        ("050003a70203", None),  # the third of two
        ("050003a70101", None),  # the only one
        ("0003", None),
        ("", None),
    ],
)
def test_a_header_says_where_a_part_belongs_or_nothing(header: str, place: Place | None) -> None:
    assert smpp_texts.unheaded(bytes.fromhex(header) + b"words")[0] == place


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ((b"\x00\xa7", b"\x02", b"\x01"), Place(0xA7, 2, 1)),
        ((b"\x00\xa7", b"\x02", None), None),
        ((b"\x00\xa7", b"\x02", b"\x00"), None),
        ((b"", b"", b""), None),
    ],
)
def test_the_parameters_say_where_a_part_belongs_or_nothing(
    values: tuple[bytes | None, bytes | None, bytes | None], place: Place | None
) -> None:
    assert smpp_texts.sar_place(*values) == place
