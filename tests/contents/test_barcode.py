"""Barcodes are read back from small screens, as bad as those are: cropped, compressed and half as bright."""

import io
import random

import pytest
import zxingcpp
from PIL import Image, ImageEnhance

from contents import barcode

RANDOM = random.Random(20261120)
ONE_TIME = ["000000000000", "123456789012", *(f"{RANDOM.randrange(10**12):012}" for _ in range(6))]
BEARER = ["0" * 16, *("".join(RANDOM.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=16)) for _ in range(6))]


def read(picture: Image.Image) -> set[tuple[str, str]]:
    """(text, format) of every barcode in a picture."""
    return {(found.text, found.format.name) for found in zxingcpp.read_barcodes(picture)}


def photographed(picture: Image.Image) -> Image.Image:
    """The picture without its edges, at half its brightness, as a JPEG of quality 40."""
    file = io.BytesIO()
    inner = picture.convert("L").crop((3, 3, picture.width - 3, picture.height - 3))
    ImageEnhance.Brightness(inner).enhance(0.5).save(file, "JPEG", quality=40)
    return Image.open(file)


@pytest.mark.parametrize("code", ONE_TIME)
def test_a_one_time_code_is_read_as_qr_and_as_code_128_from_a_small_screen(code: str) -> None:
    png = barcode.png(code)
    picture = Image.open(io.BytesIO(png))

    assert (picture.size, picture.mode, picture.format) == ((128, 160), "1", "PNG")
    assert len(png) < 1_000
    assert read(photographed(picture)) == {(code, "QRCode"), (code, "Code128")}


@pytest.mark.parametrize("code", BEARER)
def test_a_bearer_code_is_read_as_qr_from_a_small_screen(code: str) -> None:
    png = barcode.png(code)

    assert len(png) < 1_000
    assert read(photographed(Image.open(io.BytesIO(png)))) == {(code, "QRCode")}


@pytest.mark.parametrize("code", [ONE_TIME[1], BEARER[1]])
def test_both_symbols_have_their_whole_quiet_zone(code: str) -> None:
    square, bars = barcode.qr(code).convert("L"), barcode.code128(code).convert("L")
    dark = square.point(lambda light: 255 - light).getbbox()
    dark_bars = bars.point(lambda light: 255 - light).getbbox()

    assert dark == (16, 16, square.width - 16, square.height - 16)
    assert dark_bars == (10, 0, bars.width - 10, bars.height)


def test_nothing_is_printed_in_the_quiet_zones_of_the_screen() -> None:
    screen = Image.open(io.BytesIO(barcode.png(ONE_TIME[1]))).convert("L")
    modules = screen.point(lambda light: 255 - light)

    assert modules.crop((0, 100, 128, 116)).getbbox() is None  # four modules below the QR
    assert modules.crop((0, 158, 128, 160)).getbbox() is None
    assert modules.crop((0, 134, 13, 160)).getbbox() is None  # ten modules beside Code 128
    assert modules.crop((115, 134, 128, 160)).getbbox() is None


def test_twelve_digits_take_the_shortest_symbols_there_are() -> None:
    assert barcode.qr(ONE_TIME[1]).size == (116, 116)  # version 1
    assert barcode.code128(ONE_TIME[1]).width == 121  # code set C: two digits in a symbol


def test_a_larger_code_128_is_for_larger_screens() -> None:
    assert read(barcode.code128(BEARER[1], pixels=2, high=60)) == {(BEARER[1], "Code128")}


@pytest.mark.parametrize(
    "code", ["", "12345678901", "1234567890123", "١٢٣٤٥٦٧٨٩٠١٢", "ABCDEFGHIJKLMNOP", "0123 4567 8901"]
)
def test_what_is_no_code_is_not_drawn(code: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        barcode.png(code)


def test_codes_are_printed_in_groups_of_four() -> None:
    assert barcode.in_print("123456789012") == "1234 5678 9012"
    assert barcode.in_print("7KQ4MXW2ABCD1234") == "7KQ4 MXW2 ABCD 1234"
