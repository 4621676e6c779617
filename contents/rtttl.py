"""Tunes as text: Nokia's Ring Tone Text Transfer Language, read and written.

    Jingle:d=4,o=5,b=180:e,e,2e,e,e,2e,e,g,c.,8d,1e

A name, what holds where a note says nothing (duration, octave, beats a minute), and the notes: duration, pitch, sharp,
dot and octave; `p` is a rest. A dot may stand before or after the octave, as phones take both.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MOST_NOTES = 600
LONGEST_TEXT = 6_000
"""Characters."""
_DURATIONS = (1, 2, 4, 8, 16, 32)
_OCTAVES = range(3, 8)
_BEATS = range(25, 901)
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}
_NAMES = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
_NOTE = re.compile(r"(\d{0,2})([a-hp])(#?)(\.?)(\d?)(\.?)")


class BadTune(ValueError):
    """This is no tune. The message says why, and at which note, in one English sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note: its MIDI number (60 is middle C, None is a rest) and how many beats (quarters) it lasts."""

    number: int | None
    beats: Fraction


@dataclass(frozen=True, slots=True)
class Tune:
    """Voices that begin together, each a row of notes, at so many beats a minute."""

    name: str
    beats_a_minute: int
    voices: tuple[tuple[Note, ...], ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(max(sum(note.beats for note in voice) for voice in self.voices) * 60 / self.beats_a_minute)


def read(text: str) -> Tune:
    """The tune this text is, with one voice. Raises BadTune."""
    if len(text) > LONGEST_TEXT:
        raise BadTune(f"A tune has at most {LONGEST_TEXT:,} characters.")
    parts = text.strip().split(":")
    if len(parts) != 3:
        raise BadTune("A tune is name:defaults:notes, with two colons.")
    name, defaults, notes = (part.strip() for part in parts)
    held = _defaults(defaults)
    written = [note.strip().lower() for note in notes.split(",")]
    if len(written) > MOST_NOTES:
        raise BadTune(f"A tune has at most {MOST_NOTES} notes.")
    voice = tuple(_note(note, place, held["d"], held["o"]) for place, note in enumerate(written, 1))
    if all(note.number is None for note in voice):
        raise BadTune("All its notes are rests.")
    return Tune(name[:30], held["b"], (voice,))


def write(tune: Tune) -> str:
    """The first voice of a tune as text. Notes that no phone's octaves hold are moved by whole octaves.

    Raises BadTune when a note's length has no name, or there are too many of them.
    """
    if len(tune.voices[0]) > MOST_NOTES:
        raise BadTune(f"A tune has at most {MOST_NOTES} notes.")
    lengths = {length: name for name, length in _lengths().items()}
    notes = []
    for note in tune.voices[0]:
        if note.beats not in lengths:
            raise BadTune("A note's length cannot be written.")
        duration, dot = lengths[note.beats]
        if note.number is None:
            notes.append(f"{duration}p{dot}")
            continue
        octave, step = divmod(note.number, 12)
        octave = min(max(octave, _OCTAVES[0] + 1), _OCTAVES[-1] + 1) - 1
        notes.append(f"{duration}{_NAMES[step]}{octave}{dot}")
    name = re.sub(r"[^A-Za-z0-9 ]", "", tune.name)[:10].strip()
    return f"{name}:d=4,o=5,b={tune.beats_a_minute}:{','.join(notes)}"


def _defaults(text: str) -> dict[str, int]:
    held = {"d": 4, "o": 6, "b": 63}  # what the language says where nothing is said
    allowed = {"d": _DURATIONS, "o": _OCTAVES, "b": _BEATS}
    for part in filter(None, text.replace(" ", "").lower().split(",")):
        name, _, value = part.partition("=")
        if name not in allowed or not re.fullmatch(r"[0-9]{1,3}", value) or int(value) not in allowed[name]:
            raise BadTune("Before the notes stand d= (1 to 32), o= (3 to 7) and b= (25 to 900).")
        held[name] = int(value)
    return held


def _note(text: str, place: int, duration: int, octave: int) -> Note:
    found = _NOTE.fullmatch(text)
    if found is None:
        raise BadTune(f"Note {place} cannot be read.")
    said_duration, pitch, sharp, dot, said_octave, late_dot = found.groups()
    length = int(said_duration or duration)
    if length not in _DURATIONS:
        raise BadTune(f"Note {place} has no such length.")
    beats = Fraction(4, length) * (Fraction(3, 2) if dot or late_dot else 1)
    if pitch == "p":
        return Note(None, beats)
    if int(said_octave or octave) not in _OCTAVES:
        raise BadTune(f"Note {place} has no such octave.")
    return Note(12 * (int(said_octave or octave) + 1) + _STEPS[pitch] + bool(sharp), beats)


def _lengths() -> dict[tuple[int, str], Fraction]:
    plain = {(duration, ""): Fraction(4, duration) for duration in _DURATIONS}
    return plain | {(duration, "."): beats * Fraction(3, 2) for (duration, _), beats in plain.items()}
