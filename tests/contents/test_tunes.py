"""Tunes: read and written as text, and made into sound that phones play."""

import io
import random
from fractions import Fraction
from itertools import pairwise

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contents import rtttl, shipped, sounds
from contents.rtttl import BadTune, Note, Tune
from contents.sounds import BadSound

SCALE = "Scale:d=8,o=5,b=240:c,d,e,f,g,a,b,c6"
TUNES = [piece.key for piece in shipped.pieces() if piece.kind not in ("card", "character")]


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("a", Note(81, Fraction(1))),
        ("8a4", Note(69, Fraction(1, 2))),
        ("16f#.5", Note(78, Fraction(3, 8))),
        ("16F#5.", Note(78, Fraction(3, 8))),
        ("2p", Note(None, Fraction(2))),
        ("1b7", Note(107, Fraction(4))),
        (" c ", Note(72, Fraction(1))),
    ],
)
def test_a_note_is_duration_pitch_dot_and_octave(written: str, note: Note) -> None:
    tune = rtttl.read(f"x:d=4,o=5,b=120:{written},c")

    assert tune.voices[0][0] == note
    assert tune.beats_a_minute == 120


def test_what_is_not_said_before_the_notes_is_what_the_language_says() -> None:
    assert rtttl.read("x::a") == Tune("x", 63, ((Note(93, Fraction(1)),),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no tune", "two colons"),
        ("x:d=3:c", "d= "),
        ("x:o=9:c", "d= "),
        ("x:b=9999:c", "d= "),
        ("x:q=1:c", "d= "),
        ("x:b=²:c", "d= "),
        ("x::c,,d", "Note 2 cannot"),
        ("x::c,x", "Note 2 cannot"),
        ("x::7c", "no such length"),
        ("x::c9", "no such octave"),
        ("x::p,p", "rests"),
        ("x::" + "c," * 700 + "c", "at most 600"),
        ("x::" + " " * 9000 + "c", "characters"),
    ],
)
def test_what_is_no_tune_is_refused_with_the_place_and_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadTune, match=reason):
        rtttl.read(text)


@given(st.text(max_size=80) | st.from_regex(r"[a-z]{0,3}:[dob=0-9, ]{0,12}:[a-hp#.,0-9 ]{0,40}", fullmatch=True))
def test_any_text_is_a_tune_or_refused(text: str) -> None:
    try:
        tune = rtttl.read(text)
    except BadTune:
        return
    assert rtttl.read(rtttl.write(tune)).voices == tune.voices


@pytest.mark.parametrize("key", TUNES)
def test_every_tune_that_ships_is_whole(key: str) -> None:
    tune = shipped.tune(key)

    assert 5 < tune.seconds < sounds.LONGEST_SECONDS
    assert len({sum(note.beats for note in voice) for voice in tune.voices}) == 1, "its voices end together"
    assert rtttl.read(rtttl.write(tune)).voices[0] == tune.voices[0]


def test_a_midi_file_plays_every_note_at_its_time() -> None:
    tune = rtttl.read(SCALE)
    file = mido.MidiFile(file=io.BytesIO(sounds.midi(tune)))

    assert file.type == 0
    assert [message.note for message in file if message.type == "note_on"] == [72, 74, 76, 77, 79, 81, 83, 84]
    assert file.length == pytest.approx(tune.seconds)


@pytest.mark.parametrize("key", ["minuet", "kleine-nachtmusik"])
def test_a_tune_comes_back_from_its_midi_file(key: str) -> None:
    tune = shipped.tune(key)
    back = sounds.read_midi(sounds.midi(tune))

    assert back.beats_a_minute == tune.beats_a_minute
    assert sounding(back.voices[0]) == sounding(tune.voices[0])
    assert sounding(back.voices[-1]) == sounding(tune.voices[-1])


def sounding(voice: tuple[Note, ...]) -> list[int]:
    return [note.number for note in voice if note.number is not None]


@pytest.mark.parametrize("form", ["mp3", "amr"])
def test_what_a_phone_plays_has_the_length_and_the_pitch_of_the_tune(form: str) -> None:
    tune = Tune("a", 60, ((Note(69, Fraction(2)),),))
    pcm = sounds.synthesised(tune)
    body = sounds.mp3(pcm) if form == "mp3" else sounds.amr(pcm)
    heard = sounds.decoded(body, form)

    assert heard.seconds == pytest.approx(2, abs=0.15)
    middle = heard.samples[sounds.RATE // 2 : sounds.RATE]
    crossings = sum(one < 0 <= other for one, other in pairwise(middle))
    assert crossings == pytest.approx(220, rel=0.03)  # half a second of 440 Hz
    assert max(middle) > 3_000


def test_what_lasts_too_long_is_refused() -> None:
    with pytest.raises(BadSound, match="longer than 60"):
        sounds.synthesised(Tune("", 60, ((Note(60, Fraction(61)),),)))


def test_a_midi_file_that_was_damaged_is_read_or_refused() -> None:
    chance, whole = random.Random(7), sounds.midi(shipped.tune("minuet"))
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        for _ in range(chance.choice((0, 1, 5, 40))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            sounds.read_midi(bytes(damaged))
        except BadSound:
            continue
