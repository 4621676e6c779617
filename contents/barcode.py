"""A code as a picture: QR and Code 128, with its characters in print, for the screen of a small phone and a till's scanner.

Two kinds of code are drawn: a one-time code of 12 digits, and a bearer code of 16 characters of Crockford's base 32.
On a screen of 128 x 160 pixels:

- QR at 4 pixels a module: 21 modules and 4 of quiet on each side are 116 pixels. Twelve digits fit version 1 at the
  highest error correction (H), sixteen characters at the second highest (Q).
- Code 128 at 1 pixel a module: twelve digits are 101 modules in code set C and 121 with their quiet zones of 10. Turning
  it for the 160 pixels would still be 1 pixel a module, so it stays upright. Sixteen characters are up to 231 modules
  with quiet zones, more than either side: on a small screen a bearer code is QR alone.

Sizes and quiet zones are those of ISO/IEC 18004 (QR: 4 modules) and ISO/IEC 15417 (Code 128: 10 modules).
"""

import io
import re

import segno
from barcode.codex import Code128
from PIL import Image, ImageDraw, ImageFont

SCREEN = (128, 160)
"""Pixels. The screen every picture is made for first."""
QR_QUIET = 4
CODE128_QUIET = 10
_QR_PIXELS = 4
_BARS_HIGH = 24
_PRINT = 15
_ABOVE_PRINT = 3
"""Pixels of the font above a figure, so that the print begins where the quiet zone ends."""
_CODE = re.compile(r"[0-9]{12}|[0-9A-HJKMNP-TV-Z]{16}")
_WHITE, _BLACK = 1, 0


def in_print(code: str) -> str:
    """The code as people read it: in groups of four. Raises ValueError when it is neither kind of code."""
    if not _CODE.fullmatch(code):
        raise ValueError("neither a one-time code nor a bearer code")
    return " ".join(code[start : start + 4] for start in range(0, len(code), 4))


def qr(code: str, pixels: int = _QR_PIXELS) -> Image.Image:
    """The code as QR, `pixels` to a module, with its quiet zone; black and white. Raises ValueError for another text."""
    in_print(code)
    # micro=False: many tills cannot read a Micro QR. boost_error: the highest correction that needs no larger symbol.
    matrix = segno.make(code, error="Q", micro=False, boost_error=True).matrix
    side = len(matrix) + 2 * QR_QUIET
    square = Image.new("1", (side, side), _WHITE)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            if dark:
                square.putpixel((x + QR_QUIET, y + QR_QUIET), _BLACK)
    return square.resize((side * pixels, side * pixels), Image.Resampling.NEAREST)


def code128(code: str, pixels: int = 1, high: int = _BARS_HIGH) -> Image.Image:
    """The code as Code 128, `pixels` to a module and `high` pixels high, with its quiet zones; black and white.

    Raises ValueError for another text.
    """
    in_print(code)
    bars = Code128(code).build()[0]
    row = Image.new("1", (len(bars) + 2 * CODE128_QUIET, 1), _WHITE)
    for x, module in enumerate(bars):
        if module == "1":
            row.putpixel((x + CODE128_QUIET, 0), _BLACK)
    return row.resize((row.width * pixels, high), Image.Resampling.NEAREST)


def picture(code: str) -> Image.Image:
    """The code alone for a screen of 128 x 160: QR, its characters in print, and Code 128 where it fits; black and white.

    Raises ValueError when it is neither kind of code.
    """
    screen = Image.new("1", SCREEN, _WHITE)
    square = qr(code)
    screen.paste(square, ((SCREEN[0] - square.width) // 2, 0))
    bars = code128(code)
    below = square.height - _ABOVE_PRINT
    draw = ImageDraw.Draw(screen)
    draw.fontmode = "1"
    font = ImageFont.load_default(_PRINT)
    for line in _lines(in_print(code)):
        draw.text(((SCREEN[0] - draw.textlength(line, font)) / 2, below), line, _BLACK, font)
        below += _PRINT
    if bars.width <= SCREEN[0]:
        screen.paste(bars, ((SCREEN[0] - bars.width) // 2, SCREEN[1] - bars.height - 2))
    return screen


def png(code: str) -> bytes:
    """`picture` as a PNG of 1 bit a pixel, under 1,000 bytes. Raises ValueError when it is neither kind of code."""
    file = io.BytesIO()
    picture(code).save(file, "PNG", optimize=True)
    return file.getvalue()


def _lines(words: str) -> list[str]:
    """Twelve digits on one line, sixteen characters on two."""
    groups = words.split()
    return [words] if len(groups) == 3 else [" ".join(groups[:2]), " ".join(groups[2:])]
