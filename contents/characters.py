"""The characters that ship with the product, drawn by this code: each for whatever size and shape is asked for."""

import math
from collections.abc import Callable, Mapping

from PIL import Image

from contents.pen import Pen

_INK = "#2b1b17"


def draw(key: str, size: tuple[int, int]) -> Image.Image:
    """The character with this key of `CHARACTERS` in `size` pixels. Raises KeyError."""
    return CHARACTERS[key](size)


def lion(size: tuple[int, int]) -> Image.Image:
    """A lion's face in the grass."""
    pen = Pen(size, "#ffe9a8", "#ffc15e")
    x, y = pen.wide / 2, pen.high / 2 - 2
    pen.disc(x, y, 47, "#ffd77d")
    for tuft in range(16):
        angle = math.tau * tuft / 16
        pen.disc(x + 30 * math.cos(angle), y + 30 * math.sin(angle), 10, "#a8551c" if tuft % 2 else "#c0692a")
    for side in (-1, 1):
        pen.disc(x + side * 22, y - 22, 8, "#f2a53c")
        pen.disc(x + side * 22, y - 22, 4.5, "#c0692a")
    pen.disc(x, y, 29, "#f7b34a")
    _eyes(pen, x, y - 5, 11, 4.5)
    for side in (-1, 1):
        pen.disc(x + side * 8, y + 12, 10, "#fff1d6", 8)
    pen.shape([(x - 6, y + 3), (x + 6, y + 3), (x, y + 9)], "#7a3b1d")
    for side in (-1, 1):
        pen.arc(x + side * 5, y + 10, 5, (20, 160), 1.5, _INK)
        for whisker in (-1, 0, 1):
            pen.line([(x + side * 13, y + 12 + whisker), (x + side * 25, y + 11 + 4 * whisker)], 0.8, "#7a3b1d")
    _grass(pen)
    return pen.picture()


def elephant(size: tuple[int, int]) -> Image.Image:
    """An elephant's face, with a flower in its trunk."""
    pen = Pen(size, "#bfe9ff", "#8fd3c8")
    x, y = pen.wide / 2, pen.high / 2 - 6
    for side in (-1, 1):
        pen.disc(x + side * 29, y - 2, 20, "#7d8fa6", 25)
        pen.disc(x + side * 28, y, 13, "#f3b6c2", 18)
    pen.disc(x, y, 26, "#93a5bd", 29)
    pen.line([(x, y + 12), (x, y + 26), (x + 3, y + 36), (x + 12, y + 41), (x + 21, y + 36)], 13, "#93a5bd")
    pen.disc(x + 21, y + 36, 6.5, "#93a5bd")
    for ridge in (20, 27, 34):
        pen.line([(x - 4, y + ridge), (x + 5, y + ridge - 1)], 1, "#72849b")
    for side in (-1, 1):
        pen.shape([(x + side * 9, y + 17), (x + side * 16, y + 15), (x + side * 17, y + 29)], "#ffffff")
    _eyes(pen, x, y - 4, 11, 4.2)
    pen.line([(x + 22, y + 34), (x + 27, y + 22)], 1.6, "#3a7d44")
    for petal in range(6):
        angle = math.tau * petal / 6
        pen.disc(x + 28 + 5 * math.cos(angle), y + 18 + 5 * math.sin(angle), 3.6, "#ee4266")
    pen.disc(x + 28, y + 18, 3.4, "#ffd23f")
    _grass(pen)
    return pen.picture()


def hornbill(size: tuple[int, int]) -> Image.Image:
    """A hornbill on a branch."""
    pen = Pen(size, "#ffd6e0", "#ffef9f")
    x, y = pen.wide / 2, pen.high / 2
    pen.disc(x + 26, y - 26, 15, "#ff9f1c")
    pen.line([(-2, y + 37), (pen.wide + 2, y + 30)], 6, "#7a4b2a")
    pen.disc(x + 36, y + 27, 9, "#52a35c", 4)
    pen.disc(x - 36, y + 37, 9, "#3a7d44", 4)
    pen.shape([(x + 5, y + 20), (x + 23, y + 58), (x + 9, y + 58), (x - 5, y + 26)], "#22223b")
    pen.disc(x + 3, y + 12, 19, "#22223b", 25)
    pen.disc(x - 3, y + 15, 12, "#f2f2f2", 19)
    pen.disc(x - 3, y - 20, 15, "#22223b")
    pen.shape(
        [(x - 11, y - 27), (x - 30, y - 25), (x - 43, y - 12), (x - 47, y + 1), (x - 35, y - 8), (x - 12, y - 11)],
        "#f77f00",
    )
    pen.line([(x - 13, y - 18), (x - 33, y - 16), (x - 45, y - 3)], 1.2, "#9d4a00")
    pen.disc(x - 20, y - 29, 10, "#d62828", 4.5)
    pen.disc(x - 6, y - 23, 5, "#ffffff")
    pen.disc(x - 7, y - 23, 2.8, _INK)
    pen.disc(x - 8, y - 24, 1, "#ffffff")
    pen.shape([(x + 12, y + 2), (x + 25, y + 12), (x + 17, y + 33), (x + 9, y + 22)], "#3d405b")
    for foot in (-3, 5):
        pen.line([(x + foot, y + 33), (x + foot, y + 37)], 3, "#f77f00")
    return pen.picture()


def _eyes(pen: Pen, x: float, y: float, apart: float, radius: float) -> None:
    for side in (-1, 1):
        pen.disc(x + side * apart, y, radius, _INK, radius * 1.2)
        pen.disc(x + side * apart - radius * 0.3, y - radius * 0.4, radius * 0.35, "#ffffff")


def _grass(pen: Pen) -> None:
    blades = round(pen.wide / 4)
    for blade in range(blades + 1):
        x = blade * pen.wide / blades
        tall = 8 + blade * 7 % 5
        pen.shape([(x - 3, pen.high), (x + (blade % 3 - 1) * 2, pen.high - tall), (x + 3, pen.high)], "#3a7d44")


CHARACTERS: Mapping[str, Callable[[tuple[int, int]], Image.Image]] = {
    "lion": lion,
    "elephant": elephant,
    "hornbill": hornbill,
}
"""The characters by key."""
