"""A pen for drawing in units instead of pixels, so that one drawing serves every size and shape of screen.

The shorter side of the paper is 100 units. Everything is drawn three times as large and made smaller at the end, which
smooths every edge.
"""

import math
from collections.abc import Iterable

from PIL import Image, ImageDraw

Point = tuple[float, float]
_FINER = 3


class Pen:
    """Paper of `size` pixels, filled with a colour that fades from `top` to `bottom`; draws what its methods say.

    `wide` and `high` are the paper's sides in units, (0, 0) its upper left corner.
    """

    def __init__(self, size: tuple[int, int], top: str, bottom: str) -> None:
        self._size = size
        self._unit = min(size) * _FINER / 100
        self.wide, self.high = size[0] * _FINER / self._unit, size[1] * _FINER / self._unit
        fade = Image.linear_gradient("L").resize((size[0] * _FINER, size[1] * _FINER))
        self._paper = Image.composite(Image.new("RGB", fade.size, bottom), Image.new("RGB", fade.size, top), fade)
        self._draw = ImageDraw.Draw(self._paper)

    def picture(self) -> Image.Image:
        """What was drawn, in the size that was asked for."""
        return self._paper.resize(self._size, Image.Resampling.LANCZOS)

    def disc(self, x: float, y: float, radius: float, colour: str, high: float | None = None) -> None:
        """A full circle around (x, y); an ellipse when it is `high` units from its middle to its top."""
        tall = radius if high is None else high
        self._draw.ellipse(self._box(x - radius, y - tall, x + radius, y + tall), fill=colour)

    def ring(self, x: float, y: float, radius: float, thick: float, colour: str) -> None:
        """An empty circle of a line `thick` units wide, which lies inside `radius`."""
        self._draw.ellipse(self._box(x - radius, y - radius, x + radius, y + radius), None, colour, self._long(thick))

    def arc(self, x: float, y: float, radius: float, degrees: tuple[float, float], thick: float, colour: str) -> None:
        """A part of a circle, from one angle to another: 0 is to the right, 90 below."""
        box = self._box(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, degrees[0], degrees[1], colour, self._long(thick))

    def box(self, x: float, y: float, wide: float, high: float, colour: str, rounded: float = 0) -> None:
        """A full box whose upper left corner is (x, y)."""
        self._draw.rounded_rectangle(self._box(x, y, x + wide, y + high), self._long(rounded), fill=colour)

    def shape(self, points: Iterable[Point], colour: str) -> None:
        """A full shape with these corners."""
        self._draw.polygon([self._at(*point) for point in points], fill=colour)

    def line(self, points: Iterable[Point], thick: float, colour: str) -> None:
        """A line along these points."""
        self._draw.line([self._at(*point) for point in points], fill=colour, width=self._long(thick), joint="curve")

    def star(self, x: float, y: float, radius: float, colour: str, points: int = 5) -> None:
        """A star with one of its points on top."""
        corners = []
        for corner in range(2 * points):
            far = radius if corner % 2 == 0 else radius * 0.45
            angle = math.pi * corner / points - math.pi / 2
            corners.append((x + far * math.cos(angle), y + far * math.sin(angle)))
        self.shape(corners, colour)

    def heart(self, x: float, y: float, radius: float, colour: str) -> None:
        """A heart, about two `radius` wide, around (x, y)."""
        angles = [math.tau * step / 80 for step in range(80)]
        self.shape(
            (
                (
                    x + radius * math.sin(angle) ** 3,
                    y
                    - radius
                    * (13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle))
                    / 16,
                )
                for angle in angles
            ),
            colour,
        )

    def confetti(self, colours: tuple[str, ...], pieces: int, down_to: float) -> None:
        """Small round and square bits all over the paper's upper part, always the same ones."""
        spread = 0.6180339887  # the golden ratio's fraction: no two bits fall together
        for piece in range(pieces):
            x = (piece * spread % 1) * self.wide
            y = ((piece * spread * spread * 7 + 0.13) % 1) * down_to
            colour = colours[piece % len(colours)]
            if piece % 2:
                self.disc(x, y, 1.4, colour)
            else:
                self.shape([(x, y - 2), (x + 1.6, y), (x, y + 2), (x - 1.6, y)], colour)

    def _at(self, x: float, y: float) -> Point:
        return x * self._unit, y * self._unit

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return (*self._at(left, top), *self._at(right, bottom))

    def _long(self, units: float) -> int:
        return round(units * self._unit)
