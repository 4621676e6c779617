"""The theme cards that ship with the product, drawn by this code: each for whatever size and shape is asked for.

They show no words, so that they speak every language; what is said stands beside them (`contents/composing.py`).
"""

import math
from collections.abc import Callable, Mapping

from PIL import Image

from contents.pen import Pen

_BRIGHT = ("#ffd23f", "#ee4266", "#3bceac", "#ffffff", "#f79824")


def draw(key: str, size: tuple[int, int]) -> Image.Image:
    """The card with this key of `THEMES` in `size` pixels. Raises KeyError."""
    return THEMES[key](size)


def birthday(size: tuple[int, int]) -> Image.Image:
    """A cake with three burning candles, and balloons."""
    pen = Pen(size, "#3d2c8d", "#916bbf")
    middle, ground = pen.wide / 2, pen.high - 12
    pen.confetti(_BRIGHT, 34, pen.high - 40)
    for x, y, colour in ((-36, -58, "#ee4266"), (36, -62, "#3bceac"), (-27, -76, "#ffd23f")):
        _balloon(pen, middle + x, ground + y, colour)
    pen.disc(middle, ground, 40, "#2b1d66", 5)
    pen.disc(middle, ground - 1, 37, "#ffffff", 4.5)
    pen.box(middle - 30, ground - 25, 60, 24, "#e8a0bf", 3)
    pen.box(middle - 21, ground - 44, 42, 21, "#f6c6d9", 3)
    for left, wide, top in ((-30, 60, -25), (-21, 42, -44)):
        pen.box(middle + left, ground + top, wide, 5, "#ffffff", 2)
        drops = wide // 6
        for drop in range(drops):
            pen.disc(middle + left + 3 + 6 * drop, ground + top + 5, 2.7, "#ffffff", 2.5 + 2 * (drop % 2))
    for x, colour in ((-12, "#3bceac"), (0, "#ee4266"), (12, "#f79824")):
        pen.box(middle + x - 1.7, ground - 58, 3.4, 15, colour, 1)
        pen.disc(middle + x, ground - 63, 3.2, "#f79824", 5)
        pen.disc(middle + x, ground - 62, 1.7, "#ffd23f", 3.2)
    return pen.picture()


def thanks(size: tuple[int, int]) -> Image.Image:
    """A vase of flowers."""
    pen = Pen(size, "#fff3d6", "#ffd9a0")
    middle, ground = pen.wide / 2, pen.high - 10
    pen.disc(middle, ground, 32, "#e3b277", 4)
    blooms = (
        (-24, -58, "#ee4266"),
        (24, -60, "#7b2cbf"),
        (-10, -75, "#f79824"),
        (12, -80, "#d81159"),
        (0, -55, "#2a9d8f"),
    )
    for x, y, _ in blooms:
        pen.line(
            [(middle, ground - 28), (middle + x * 0.6, ground + y * 0.75), (middle + x, ground + y)], 1.6, "#3a7d44"
        )
        pen.disc(middle + x * 0.62, ground + y * 0.62, 5, "#52a35c", 2.6)
    for x, y, colour in blooms:
        for petal in range(8):
            angle = math.tau * petal / 8
            pen.disc(middle + x + 6.5 * math.cos(angle), ground + y + 6.5 * math.sin(angle), 4.4, colour)
        pen.disc(middle + x, ground + y, 4.6, "#ffd23f")
    pen.shape([(middle + x, ground + y) for x, y in ((-15, -34), (15, -34), (10, -1), (-10, -1))], "#1d5c96")
    pen.disc(middle, ground - 34, 15, "#2b7cc4", 3)
    pen.heart(middle, ground - 17, 7, "#ffffff")
    return pen.picture()


def holiday(size: tuple[int, int]) -> Image.Image:
    """A night with stars, a moon and a lit tree."""
    pen = Pen(size, "#0b1d51", "#2f5d8a")
    middle, ground = pen.wide / 2, pen.high - 10
    for star in range(26):
        pen.disc(
            (star * 0.618 % 1) * pen.wide, (star * 0.3819 * 3 % 1) * pen.high * 0.75, 0.7 + star % 3 * 0.3, "#ffffff"
        )
    pen.disc(middle + 36, 22, 11, "#fff3b0")
    pen.disc(middle + 31, 19, 10, "#13285c")
    pen.disc(middle, pen.high + 24, pen.wide * 0.75, "#e8f1f5", 38)
    pen.box(middle - 4, ground - 12, 8, 12, "#7a4b2a")
    for top, bottom, wide, colour in ((-44, -10, 27, "#14714a"), (-60, -29, 21, "#188a5b"), (-74, -48, 15, "#1fa56f")):
        pen.shape([(middle, ground + top), (middle + wide, ground + bottom), (middle - wide, ground + bottom)], colour)
    pen.star(middle, ground - 75, 7, "#ffd23f")
    lights = (
        (-17, -15),
        (-6, -19),
        (7, -14),
        (18, -16),
        (-12, -32),
        (0, -36),
        (12, -33),
        (-5, -51),
        (6, -54),
        (0, -24),
    )
    for place, (x, y) in enumerate(lights):
        pen.disc(middle + x, ground + y, 2.3, _BRIGHT[place % 3])
    return pen.picture()


def wedding(size: tuple[int, int]) -> Image.Image:
    """Two rings, and hearts."""
    pen = Pen(size, "#ffe5ec", "#ffb3c6")
    middle, centre = pen.wide / 2, pen.high * 0.56
    for x, y, radius in (
        (-38, -30, 7),
        (38, -34, 6),
        (-44, 20, 5),
        (43, 18, 8),
        (0, 38, 6),
        (-20, -40, 4),
        (22, -46, 4),
    ):
        pen.heart(middle + x, centre + y, radius, "#ff8fab")
    for x in (-13, 13):
        pen.ring(middle + x, centre, 25, 5.5, "#b8860b")
        pen.ring(middle + x, centre, 24, 3, "#ffd700")
    pen.arc(middle - 13, centre, 25, (300, 350), 5.5, "#b8860b")  # so that each ring goes through the other
    pen.arc(middle - 13, centre, 24, (300, 350), 3, "#ffd700")
    gem = ((-7, -31), (7, -31), (10, -27), (0, -18), (-10, -27))
    pen.shape([(middle + 13 + x, centre + y) for x, y in gem], "#8ecae6")
    pen.shape([(middle + 13 + x, centre + y) for x, y in ((-4, -27), (4, -27), (0, -18))], "#e0f4ff")
    pen.heart(middle, centre - 39, 8, "#d81159")
    return pen.picture()


def congratulations(size: tuple[int, int]) -> Image.Image:
    """A cup with a star, and rays."""
    pen = Pen(size, "#0f7173", "#1aa6a0")
    middle, ground = pen.wide / 2, pen.high - 12
    for ray in range(0, 24, 2):
        first, second = (math.tau * edge / 24 for edge in (ray, ray + 1))
        far = pen.wide + pen.high
        pen.shape(
            [
                (middle, ground - 50),
                (middle + far * math.cos(first), ground - 50 + far * math.sin(first)),
                (middle + far * math.cos(second), ground - 50 + far * math.sin(second)),
            ],
            "#168a88",
        )
    pen.confetti(_BRIGHT, 40, pen.high)
    for side in (-1, 1):
        pen.ring(middle + side * 24, ground - 56, 12, 4.5, "#d99a00")
    pen.shape(
        [(middle + x, ground + y) for x, y in ((-26, -74), (26, -74), (21, -45), (8, -33), (-8, -33), (-21, -45))],
        "#ffc21a",
    )
    pen.shape([(middle + x, ground + y) for x, y in ((10, -74), (26, -74), (21, -45), (8, -33), (4, -33))], "#e8a800")
    pen.disc(middle, ground - 74, 26, "#ffe08a", 4.5)
    pen.box(middle - 4, ground - 34, 8, 18, "#e8a800")
    pen.box(middle - 14, ground - 19, 28, 7, "#ffc21a", 2)
    pen.box(middle - 20, ground - 13, 40, 12, "#5c3a1e", 2)
    pen.star(middle, ground - 54, 13, "#ffffff")
    return pen.picture()


def parcel(size: tuple[int, int]) -> Image.Image:
    """A parcel with a bow: what is shown when no card was packed. It is no theme, and in no list."""
    pen = Pen(size, "#1b7f5c", "#0d5c46")
    middle, ground = pen.wide / 2, pen.high * 0.5 + 34
    pen.confetti(("#2c9c74", "#46b58c"), 40, pen.high)
    pen.disc(middle, ground, 38, "#0a4737", 4)
    pen.box(middle - 30, ground - 42, 60, 42, "#f4f1de", 2)
    pen.box(middle - 34, ground - 50, 68, 14, "#ffffff", 2)
    pen.box(middle - 5, ground - 50, 10, 50, "#ee4266")
    for side in (-1, 1):
        pen.disc(middle + side * 12, ground - 57, 12, "#ee4266", 8)
        pen.disc(middle + side * 12, ground - 57, 6, "#b3213f", 3.5)
    pen.disc(middle, ground - 55, 5.5, "#ff6b88")
    return pen.picture()


def _balloon(pen: Pen, x: float, y: float, colour: str) -> None:
    pen.line([(x, y + 12), (x + 2, y + 20), (x - 1, y + 30)], 0.8, "#ffffff")
    pen.shape([(x - 2.5, y + 15), (x + 2.5, y + 15), (x, y + 11)], colour)
    pen.disc(x, y, 10.5, colour, 13)
    pen.disc(x - 3.5, y - 5, 2.2, "#ffffff", 3.4)


THEMES: Mapping[str, Callable[[tuple[int, int]], Image.Image]] = {
    "birthday": birthday,
    "thanks": thanks,
    "holiday": holiday,
    "wedding": wedding,
    "congratulations": congratulations,
}
"""The theme cards by key."""
