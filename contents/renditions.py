"""One piece, made once at import into everything that phones and carriers take.

A picture becomes JPEG for three screens and GIF for the smallest. A sound becomes MP3 and AMR; a tune also MIDI and RTTTL,
for gateways that take them (Twilio takes no MIDI, and at most 500 KB of anything but JPEG, GIF and PNG). Everything is
decoded and written anew: nothing of a file from outside reaches a phone, neither its faults nor where a photograph was taken.
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps

from contents import rtttl, sounds
from contents.composing import RUNGS, TooLarge, jpeg, within
from contents.rtttl import BadTune, Tune
from contents.sounds import BadSound, Pcm

Kind = Literal["ringtone", "music", "card", "character", "song"]
PICTURES: tuple[Kind, ...] = ("card", "character")
"""The kinds that are seen; the others are heard."""

MOST_BYTES = 5_000_000
"""Of a file to import: a minute of uncompressed sound."""
MOST_PIXELS = 16_000_000
LEAST_SIDE = 64
"""Pixels. A smaller picture is a smudge on every screen."""
JPEG_BYTES = (300_000, 100_000, 30_000)
"""Of the JPEG for each of `RUNGS`: what an MMS of 300 kB, of 100 kB (OMA's "image basic") and of 30 kB ("text") holds."""
GIF_BYTES = 30_000
MP3_BYTES = 500_000
"""Twilio refuses larger sound (error 30019)."""
JPEG, GIF, MP3, AMR, MIDI, RTTTL = "image/jpeg", "image/gif", "audio/mpeg", "audio/amr", "audio/midi", "audio/x-rtttl"

Form = Literal["jpeg", "png", "gif", "mp3", "wav", "amr", "midi", "rtttl"]
_DECLARED: Mapping[str, Form] = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/gif": "gif",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/amr": "amr",
    "audio/midi": "midi",
    "audio/x-midi": "midi",
    "audio/x-rtttl": "rtttl",
}
"""What a type that somebody declares has to begin like."""
TYPES = frozenset(_DECLARED)
"""The types that can be imported."""


class Unusable(ValueError):
    """Nothing can be made of this piece. The message says why, in one English sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A piece as one type of file; `rung` is the place in `RUNGS` for pictures and 0, the largest, for sounds."""

    mime: str
    rung: int
    body: bytes


def from_file(kind: Kind, body: bytes, declared: str = "") -> list[Rendition]:
    """The renditions of a file, which is what its first bytes show. `declared` is the type somebody says it has.

    Raises Unusable: too large, of another type than declared or than the kind needs, broken, or made to unfold to
    something enormous.
    """
    form = sniffed(body)
    if form is None:
        raise Unusable("This is no JPEG, PNG, GIF, MP3, WAV, AMR, MIDI or RTTTL file.")
    if declared and _DECLARED.get(declared) != form:
        raise Unusable(f"This is said to be {declared}, and is {form}.")
    if len(body) > MOST_BYTES:
        raise Unusable(f"A file has at most {MOST_BYTES:,} bytes.")
    seen = form in {"jpeg", "png", "gif"}
    if seen != (kind in PICTURES):
        raise Unusable(f"A {kind} is a {'picture' if kind in PICTURES else 'sound'}, and this is {form}.")
    try:
        if seen:
            art = _opened(body, form)
            return from_drawing(lambda size: within(art, size))
        if form == "rtttl":
            return from_tune(rtttl.read(body.decode("ascii")))
        if form == "midi":
            return from_tune(sounds.read_midi(body))
        return _from_pcm(sounds.decoded(body, form))
    except (BadTune, BadSound) as error:
        raise Unusable(str(error)) from error
    except TooLarge as error:
        raise Unusable("This picture has too many details for a phone.") from error


def from_drawing(draw: Callable[[tuple[int, int]], Image.Image]) -> list[Rendition]:
    """The renditions of what `draw` draws in any size. Raises TooLarge."""
    made = [
        Rendition(JPEG, rung, jpeg(draw(size), limit))
        for rung, (size, limit) in enumerate(zip(RUNGS, JPEG_BYTES, strict=True))
    ]
    smallest = len(RUNGS) - 1
    for colours in (128, 64, 32):
        file = io.BytesIO()
        draw(RUNGS[smallest]).quantize(colours).save(file, "GIF")
        if file.tell() <= GIF_BYTES:
            return [*made, Rendition(GIF, smallest, file.getvalue())]
    return made


def from_tune(tune: Tune) -> list[Rendition]:
    """The renditions of a tune. Raises BadSound when it lasts too long."""
    made = [*_from_pcm(sounds.synthesised(tune)), Rendition(MIDI, 0, sounds.midi(tune))]
    try:
        made.append(Rendition(RTTTL, 0, rtttl.write(tune).encode()))
    except BadTune:
        return made  # some rhythms cannot be said in RTTTL; the tune is whole in all the others
    return made


def sniffed(body: bytes) -> Form | None:
    """What kind of file begins like this; None for any that is not imported."""
    begins: Mapping[bytes, Form] = {
        b"\xff\xd8\xff": "jpeg",
        b"\x89PNG\r\n\x1a\n": "png",
        b"GIF87a": "gif",
        b"GIF89a": "gif",
        b"#!AMR\n": "amr",
        b"MThd": "midi",
        b"ID3": "mp3",
    }
    for magic, form in begins.items():
        if body.startswith(magic):
            return form
    if body[:4] == b"RIFF" and body[8:12] == b"WAVE":
        return "wav"
    if len(body) > 1 and body[0] == 0xFF and body[1] & 0xE6 == 0xE2:  # MPEG audio, layer III
        return "mp3"
    if len(body) <= rtttl.LONGEST_TEXT and body.isascii() and body.count(b":") == 2:
        return "rtttl"
    return None


def _from_pcm(pcm: Pcm) -> list[Rendition]:
    made = [Rendition(MP3, 0, sounds.mp3(pcm)), Rendition(AMR, 0, sounds.amr(pcm))]
    assert len(made[0].body) <= MP3_BYTES, "the longest sound fits"
    return made


def _opened(body: bytes, form: str) -> Image.Image:
    """The first frame of a picture, upright and on white. How large it unfolds is asked before it does."""
    try:
        with Image.open(io.BytesIO(body), formats=[form.upper()]) as file:
            if file.width * file.height > MOST_PIXELS:
                raise Unusable(f"A picture has at most {MOST_PIXELS // 1_000_000} million pixels.")
            if min(file.size) < LEAST_SIDE or max(file.size) > 8 * min(file.size):
                raise Unusable(f"A picture has at least {LEAST_SIDE} pixels on each side, and is no strip.")
            upright = ImageOps.exif_transpose(file).convert("RGBA")
    except Unusable:
        raise
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        TypeError,
        ArithmeticError,
        MemoryError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:  # what Pillow raises on bad bytes
        raise Unusable("This picture cannot be read.") from error
    ground = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(ground, upright).convert("RGB")
