"""One picture of all that a gift shows: its theme card, what is said about it, and the barcode, for a big or small screen.

It is drawn when it is asked for, so that it always shows what is true then. Where no card was packed there is a parcel.
"""

import io
import re
import unicodedata
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from contents import barcode, cards

RUNGS = ((640, 480), (320, 240), barcode.SCREEN)
"""Pixels. The screens a picture is made for, the largest first; a rung is a place in this list."""
_QUALITIES = (85, 75, 65, 55, 45)
"""Of JPEG, best first. Barcodes are read well below the last one (the tests read them at 40)."""
_SMALL_QR_PIXELS = 3  # at 4 there would be no room for anything else
_PAPER, _INK = "#ffffff", "#1b1b3a"
_SMALLEST_PRINT = 8
_PITCH = 1.15
_RATHER_SMALLER = 0.7
_INSTEAD = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})

Box = tuple[int, int, int, int]


class TooLarge(ValueError):
    """The picture cannot be made in so few bytes."""


def compose(card: bytes | None, lines: Sequence[str], code: str | None, *, rung: int, limit: int) -> bytes:
    """A JPEG of at most `limit` bytes for the screen `RUNGS[rung]`: the card, the lines beside it, and the code.

    `card` is one of our own renditions (`contents/renditions.py`). What matters most stands first in `lines`. A line with
    letters that the font has not is left out: the text that goes with the picture has it. Raises TooLarge, and
    ValueError for what is no code.
    """
    size = RUNGS[rung]
    art = Image.open(io.BytesIO(card)).convert("RGB") if card else cards.parcel((640, 480))
    said = [drawn for line in lines if (drawn := _drawable(line))]
    page = _small(art, said, code) if size == barcode.SCREEN else _big(art, said, code, size)
    return jpeg(page, limit)


def jpeg(picture: Image.Image, limit: int) -> bytes:
    """The picture as a baseline JPEG of at most `limit` bytes, as good as fits. Raises TooLarge."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= limit:
            return file.getvalue()
    raise TooLarge(f"more than {limit} bytes")


def covering(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of the picture, as large as it must be to fill `size`."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    larger = picture.resize((max(round(picture.width * scale), size[0]), max(round(picture.height * scale), size[1])))
    left, top = (larger.width - size[0]) // 2, (larger.height - size[1]) // 2
    return larger.crop((left, top, left + size[0], top + size[1]))


def within(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole picture in `size`, on a blurred ground of its own where its shape is another."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    whole = picture.resize(
        (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)), Image.Resampling.LANCZOS
    )
    if whole.size == size:
        return whole
    ground = covering(picture, size).filter(ImageFilter.GaussianBlur(min(size) / 10))
    ground.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return ground


def _small(art: Image.Image, lines: list[str], code: str | None) -> Image.Image:
    page = Image.new("RGB", barcode.SCREEN, _PAPER)
    wide, high = barcode.SCREEN
    if code is None:
        page.paste(within(art, (wide, 96)), (0, 0))
        _write(page, (4, 98, wide - 4, high - 2), lines, 17)
        return page
    square = barcode.qr(code, _SMALL_QR_PIXELS)
    digits = barcode.in_print(code)
    top = high - square.height - 12
    side = top - 6
    page.paste(covering(art, (side, side)), (3, 3))
    _write(page, (side + 6, 2, wide - 2, top - 2), lines, 14)
    page.paste(square, ((wide - square.width) // 2, top))
    _write(page, (0, high - 15, wide, high), [digits], 14)
    return page


def _big(art: Image.Image, lines: list[str], code: str | None, size: tuple[int, int]) -> Image.Image:
    page = Image.new("RGB", size, _PAPER)
    wide, high = size
    if code is None:
        page.paste(within(art, (wide, high * 3 // 4)), (0, 0))
        _write(page, (wide // 20, high * 3 // 4, wide - wide // 20, high), lines, high // 10)
        return page
    larger = wide // 320
    column = barcode.picture(code)
    column = column.resize((column.width * larger, column.height * larger), Image.Resampling.NEAREST)
    left = wide - column.width
    page.paste(column, (left, (high - column.height) // 2))
    card = within(art, (left, left * 3 // 4))
    page.paste(card, (0, 0))
    _write(page, (left // 20, card.height, left - left // 20, high), lines, high // 10)
    return page


def _write(page: Image.Image, box: Box, lines: list[str], largest: int) -> None:
    """The lines in the middle of a box, in the largest print in which all of them fit; else the last ones are left out.

    Rather than break a line, its print is made a little smaller.
    """
    draw = ImageDraw.Draw(page)
    left, top, right, bottom = box
    whole = [(print_size, False) for print_size in range(largest, round(largest * _RATHER_SMALLER), -1)]
    broken = [(print_size, True) for print_size in range(largest, _SMALLEST_PRINT - 1, -1)]
    for print_size, breaks in (*whole, *broken):
        font = ImageFont.load_default(print_size)
        rows = [row for line in lines for row in (_broken(draw, font, line, right - left) if breaks else [line])]
        fits = len(rows) * print_size * _PITCH <= bottom - top
        if fits and all(draw.textlength(row, font) <= right - left for row in rows):
            break
    rows = rows[: int((bottom - top) / (print_size * _PITCH))]
    y = top + (bottom - top - len(rows) * print_size * _PITCH) / 2
    for row in rows:
        draw.text((left + max((right - left - draw.textlength(row, font)) / 2, 0), y), row, _INK, font)
        y += print_size * _PITCH


def _broken(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, line: str, wide: int
) -> list[str]:
    """The line in rows of at most this width, broken between words; an amount stays with its currency."""
    rows = [""]
    for word in re.split(r"(?<!\b[A-Z]{3}) +| +(?![0-9])", line):
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and draw.textlength(longer, font) > wide:
            rows.append(word)
        else:
            rows[-1] = longer
    return rows


def _drawable(line: str) -> str:
    """The line in the letters of Pillow's font: without accents and symbols; empty when other letters are in it."""
    folded = unicodedata.normalize("NFKD", line.translate(_INSTEAD))
    if any(not character.isascii() and character.isalnum() for character in folded):
        return ""
    return " ".join("".join(character for character in folded if " " <= character <= "~").split())
