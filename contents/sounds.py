"""Tunes as sound: MIDI files, our own synthesis, MP3 and AMR; and back, what a sound file or a MIDI file holds.

Nobody but us decodes what came from outside, and only in the format its first bytes show (`contents/renditions.py`).
"""

from __future__ import annotations  # array.array[int] can be said, but not yet made, in Python 3.11

import array
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from operator import add

import av
import av.error
import lameenc
import mido
from mido.midifiles.meta import KeySignatureError

from contents.rtttl import Note, Tune

RATE = 16_000
"""Samples a second of what we synthesise and of our MP3: more than a phone's speaker can show."""
AMR_RATE = 8_000
LONGEST_SECONDS = 60.0
LONGEST_MIDI = 100_000
"""Bytes. Long tunes of phones have ten thousand."""
MOST_EVENTS = 12_000
_TICKS = 480
_PARTIALS = ((1, 1.0), (2, 0.45), (3, 0.22), (4, 0.1), (5, 0.05))
"""Overtones and their loudness: something between a music box and a flute."""
_TABLE = 1024
_ATTACK_SECONDS, _RELEASE_SECONDS, _FADE_A_SECOND = 0.012, 0.06, 1.6
_DRUMS = 9
_RATES = range(4_000, 192_001)
_MOST_CHANNELS = 2
_AMR_FRAME = 160
_AMR_BITS = 12_200
_MP3_KBITS = 32


class BadSound(ValueError):
    """These bytes are no sound that can be used. The message says why, in one English sentence."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """From a tick on these notes sound; `struck` are those that began just then."""

    tick: int
    sounding: frozenset[int]
    struck: frozenset[int]


@dataclass(frozen=True, slots=True)
class Pcm:
    """Sound as it is: one channel of signed 16-bit samples, `RATE` a second."""

    samples: array.array[int]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / RATE


def midi(tune: Tune) -> bytes:
    """The tune as a Standard MIDI File of format 0, the one every phone plays."""
    events: list[tuple[int, int, mido.Message]] = []
    for channel, voice in enumerate(tune.voices):
        at = Fraction(0)
        for note in voice:
            begins, at = at, at + note.beats
            if note.number is not None:
                loud = 96 if channel == 0 else 70
                for when, kind, velocity in ((begins, "note_on", loud), (at, "note_off", 0)):
                    message = mido.Message(kind, channel=channel, note=note.number, velocity=velocity)
                    events.append((round(when * _TICKS), kind == "note_on", message))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tune.beats_a_minute))])
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=_TICKS, tracks=[track]).save(file=file)
    return file.getvalue()


def read_midi(body: bytes) -> Tune:
    """The tune in a MIDI file: its highest notes as the first voice, the lowest as the second.

    It keeps the tempo it begins with. Raises BadSound.
    """
    if len(body) > LONGEST_MIDI:
        raise BadSound(f"A MIDI file has at most {LONGEST_MIDI:,} bytes.")
    try:
        file = mido.MidiFile(file=io.BytesIO(body))
        if file.ticks_per_beat <= 0 or sum(len(track) for track in file.tracks) > MOST_EVENTS:
            raise BadSound(f"A MIDI file has at most {MOST_EVENTS:,} events.")
        moments, tempo = _moments(file)
    except BadSound:
        raise
    except (OSError, EOFError, ValueError, LookupError, TypeError, KeySignatureError) as error:  # mido on bad bytes
        raise BadSound("This is no MIDI file that can be read.") from error
    if not any(moment.sounding for moment in moments):
        raise BadSound("There are no notes in this MIDI file.")
    high = _voice(moments, file.ticks_per_beat, max)
    low = _voice(moments, file.ticks_per_beat, min)
    return Tune("", min(max(round(mido.tempo2bpm(tempo)), 25), 900), (high,) if high == low else (high, low))


def synthesised(tune: Tune) -> Pcm:
    """The tune as sound. Raises BadSound when it is longer than LONGEST_SECONDS."""
    if tune.seconds > LONGEST_SECONDS:
        raise BadSound(f"It lasts longer than {LONGEST_SECONDS:.0f} seconds.")
    mixed = array.array("f", bytes(4 * (round(tune.seconds * RATE) + 1)))
    beat = 60 * RATE / tune.beats_a_minute
    for place, voice in enumerate(tune.voices):
        at = Fraction(0)
        loud = (0.62 if place == 0 else 0.38) * 32_000 / (1 if len(tune.voices) > 1 else 0.62)
        for note in voice:
            first, at = round(at * beat), at + note.beats
            if note.number is not None:
                _play(mixed, note.number, first, round(at * beat), loud)
    return Pcm(array.array("h", (max(-32_768, min(32_767, round(sample))) for sample in mixed)))


def mp3(pcm: Pcm) -> bytes:
    """The sound as MP3, 32 kbit/s: 4 kB a second."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(RATE)
    encoder.set_bit_rate(_MP3_KBITS)
    encoder.set_quality(5)
    return bytes(encoder.encode(pcm.samples.tobytes()) + encoder.flush())


def amr(pcm: Pcm) -> bytes:
    """The sound as AMR narrow-band at 12.2 kbit/s (RFC 4867 section 5): what every phone with MMS plays."""
    file = io.BytesIO()
    halved = array.array(
        "h", ((pcm.samples[place] + pcm.samples[place + 1]) // 2 for place in range(0, len(pcm.samples) - 1, 2))
    )
    halved.extend([0] * (-len(halved) % _AMR_FRAME))
    with av.open(file, "w", format="amr") as out:
        stream = out.add_stream("libopencore_amrnb", rate=AMR_RATE)
        stream.bit_rate = _AMR_BITS
        stream.layout = "mono"
        for start in range(0, len(halved), _AMR_FRAME):
            frame = av.AudioFrame(format="s16", layout="mono", samples=_AMR_FRAME)
            frame.sample_rate, frame.pts = AMR_RATE, start
            frame.planes[0].update(halved[start : start + _AMR_FRAME].tobytes())
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def decoded(body: bytes, form: str) -> Pcm:
    """What a sound file holds; `form` is `mp3`, `wav` or `amr`, and it is read as nothing else. Raises BadSound.

    Decoding stops at LONGEST_SECONDS, however much a small file would unfold to.
    """
    samples = array.array("h")
    try:
        with av.open(io.BytesIO(body), "r", format=form) as file:
            if not file.streams.audio:
                raise BadSound("There is no sound in this file.")
            stream = file.streams.audio[0]
            if not _is_plain(stream.codec_context):
                raise BadSound("This sound file holds something unusual.")
            same = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in file.decode(stream):
                for part in same.resample(frame):
                    samples.frombytes(bytes(part.planes[0])[: 2 * part.samples])
                if len(samples) > LONGEST_SECONDS * RATE:
                    raise BadSound(f"It lasts longer than {LONGEST_SECONDS:.0f} seconds.")
    except BadSound:
        raise
    except (av.error.FFmpegError, ValueError, ArithmeticError, MemoryError, LookupError) as error:
        # the last ones also where a stream changes its shape on the way
        raise BadSound("This sound file cannot be read.") from error
    if len(samples) < RATE // 10:
        raise BadSound("There is no sound in this file.")
    return Pcm(samples)


def _is_plain(sound: av.AudioCodecContext | None) -> bool:
    """Whether a stream is what its file's name promises: a WAV file may hold any codec there is, and say that a sample of it
    lasts an hour."""
    if sound is None:  # a codec that nobody knows
        return False
    plain = sound.name.startswith(("pcm_", "mp3", "amrnb", "libopencore_amrnb"))
    return plain and sound.sample_rate in _RATES and sound.channels <= _MOST_CHANNELS


@cache
def _wave() -> array.array[float]:
    """One swing of our instrument, its loudest sample 1."""
    swing = [
        sum(loud * math.sin(math.tau * partial * place / _TABLE) for partial, loud in _PARTIALS)
        for place in range(_TABLE)
    ]
    return array.array("f", (sample / max(swing) for sample in swing))


def _play(mixed: array.array[float], number: int, first: int, end: int, loud: float) -> None:
    """Add one note from sample `first` to `end`."""
    end = min(end, len(mixed))
    mixed[first:end] = array.array("f", map(add, mixed[first:end], _note(number, end - first, loud)))


@lru_cache(maxsize=256)
def _note(number: int, samples: int, loud: float) -> array.array[float]:
    """One note of so many samples: quickly loud, then fading, and silent at its end."""
    wave, step = _wave(), 440 * 2 ** ((number - 69) / 12) * _TABLE / RATE
    attack, release = _ATTACK_SECONDS * RATE, _RELEASE_SECONDS * RATE
    fade, strength, phase = math.exp(-_FADE_A_SECOND / RATE), loud, 0.0
    note = array.array("f")
    for place in range(samples):
        note.append(strength * min(place / attack, (samples - place) / release, 1.0) * wave[int(phase) % _TABLE])
        phase += step
        strength *= fade
    return note


def _moments(file: mido.MidiFile) -> tuple[list[_Moment], int]:
    """From which tick on which notes sound, drums left out; and the first tempo, in microseconds a beat."""
    tick, tempo, sounding = 0, 0, set[int]()
    moments: list[_Moment] = []
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.type == "set_tempo":
            tempo = tempo or message.tempo
        if message.type not in {"note_on", "note_off"} or message.channel == _DRUMS:
            continue
        struck = moments.pop().struck if moments and moments[-1].tick == tick else frozenset[int]()
        if message.type == "note_on" and message.velocity:
            sounding.add(message.note)
            struck |= {message.note}
        else:
            sounding.discard(message.note)
        moments.append(_Moment(tick, frozenset(sounding), struck))
    return moments, tempo or 500_000


def _voice(moments: list[_Moment], ticks_a_beat: int, choose: Callable[[Iterable[int]], int]) -> tuple[Note, ...]:
    """The one note of all that sound that `choose` picks, from moment to moment."""
    notes: list[Note] = []
    for moment, following in pairwise([_Moment(0, frozenset(), frozenset()), *moments]):
        number = choose(moment.sounding) if moment.sounding else None
        beats = Fraction(following.tick - moment.tick, ticks_a_beat)
        if notes and notes[-1].number == number and number not in moment.struck:
            notes[-1] = Note(number, notes[-1].beats + beats)
        elif beats:
            notes.append(Note(number, beats))
    return tuple(notes)
