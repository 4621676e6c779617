"""The pieces that ship with the product: pictures drawn by our own code, tunes in the public domain (`contents/pieces`)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contents import cards, characters, rtttl
from contents.renditions import Kind, Rendition, from_drawing, from_tune
from contents.rtttl import Tune

_FOLDER = Path(__file__).parent / "pieces"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of the catalogue, before it is made: its key, kind, and title."""

    key: str
    kind: Kind
    title: str


def pieces() -> list[Piece]:
    """Every piece that ships."""
    return [Piece(key, told["kind"], told["title"]) for key, told in {**_pictures(), **_tunes()}.items()]


def renditions(key: str) -> list[Rendition]:
    """The piece with this key, made for phones; a second of work for the longest. Raises KeyError."""
    if key in cards.THEMES:
        return from_drawing(cards.THEMES[key])
    if key in characters.CHARACTERS:
        return from_drawing(characters.CHARACTERS[key])
    return from_tune(tune(key))


def tune(key: str) -> Tune:
    """The tune with this key. Raises KeyError."""
    told = _tunes()[key]
    voices = (rtttl.read(f"{key}:d=4,o=5,b={told['tempo']}:{notes}").voices[0] for notes in told["voices"])
    return Tune(str(told["title"]), int(told["tempo"]), tuple(voices))


@cache
def _pictures() -> Mapping[str, Any]:
    return tomllib.loads((_FOLDER / "pictures.toml").read_text("utf-8"))


@cache
def _tunes() -> Mapping[str, Any]:
    return tomllib.loads((_FOLDER / "tunes.toml").read_text("utf-8"))
