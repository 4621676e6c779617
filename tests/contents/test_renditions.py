"""What is imported becomes what phones take, and nothing else gets in."""

import array
import io
import random
import struct
import wave
import zlib

import pytest
from PIL import Image

from contents import renditions, rtttl, shipped, sounds
from contents.composing import RUNGS
from contents.renditions import AMR, GIF, JPEG, JPEG_BYTES, MIDI, MP3, RTTTL, Unusable, from_file, sniffed
from tests.packing import made

TUNE = rtttl.read("x:d=8,o=5,b=240:c,d,e,f")


def picture(form: str, size: tuple[int, int] = (300, 200), colours: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert(colours).save(file, form)
    return file.getvalue()


def sound(form: str) -> bytes:
    pcm = sounds.synthesised(TUNE)
    match form:
        case "mp3":
            return sounds.mp3(pcm)
        case "amr":
            return sounds.amr(pcm)
        case "midi":
            return sounds.midi(TUNE)
        case "rtttl":
            return rtttl.write(TUNE).encode()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((2, 2, 44_100, 0, "NONE", ""))
        out.writeframes(array.array("h", range(-20_000, 20_000)).tobytes())
    return file.getvalue()


FILES = {
    "jpeg": picture("JPEG"),
    "png": picture("PNG", colours="RGBA"),
    "gif": picture("GIF"),
    **{form: sound(form) for form in ("mp3", "amr", "midi", "rtttl", "wav")},
}


@pytest.mark.parametrize("form", ["jpeg", "png", "gif"])
def test_a_picture_becomes_jpeg_for_each_screen_and_gif_for_the_smallest(form: str) -> None:
    found = from_file("card", FILES[form])

    assert [(one.mime, one.rung) for one in found] == [(JPEG, 0), (JPEG, 1), (JPEG, 2), (GIF, 2)]
    for one in found:
        assert Image.open(io.BytesIO(one.body)).size == RUNGS[one.rung]
        assert len(one.body) <= JPEG_BYTES[one.rung]


@pytest.mark.parametrize(
    ("form", "mimes"),
    [
        ("mp3", [MP3, AMR]),
        ("wav", [MP3, AMR]),
        ("amr", [MP3, AMR]),
        ("midi", [MP3, AMR, MIDI, RTTTL]),
        ("rtttl", [MP3, AMR, MIDI, RTTTL]),
    ],
)
def test_a_sound_becomes_mp3_and_amr_and_a_tune_also_midi_and_rtttl(form: str, mimes: list[str]) -> None:
    found = from_file("song", FILES[form])

    assert [one.mime for one in found] == mimes
    assert all(len(one.body) <= renditions.MP3_BYTES for one in found)
    assert [sniffed(one.body) for one in found] == ["mp3", "amr", "midi", "rtttl"][: len(mimes)]


@pytest.mark.parametrize("piece", shipped.pieces(), ids=lambda piece: piece.key)
def test_every_piece_that_ships_can_be_made(piece: shipped.Piece) -> None:
    found = {(one.mime, one.rung): len(one.body) for one in made(piece.key)}

    if piece.kind in renditions.PICTURES:
        assert all(found[JPEG, rung] <= limit for rung, limit in enumerate(JPEG_BYTES))
    else:
        assert found[MP3, 0] <= renditions.MP3_BYTES
        assert {AMR, MIDI, RTTTL} <= {mime for mime, _ in found}


def test_a_photograph_is_turned_upright_and_says_no_longer_where_it_was_taken() -> None:
    art, exif, file = Image.new("RGB", (300, 200), "red"), Image.Exif(), io.BytesIO()
    art.paste("blue", (0, 0, 150, 200))
    exif[0x0112] = 6  # turned a quarter
    exif[0x8825] = {1: "S", 2: (1.0, 17.0, 0.0)}
    art.save(file, "JPEG", exif=exif)

    small = Image.open(io.BytesIO(from_file("card", file.getvalue())[2].body))

    assert not small.getexif()
    red, _, blue = small.convert("RGB").getpixel((64, 40))  # type: ignore[misc]
    assert blue > red, "the left half is above"


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("declared", ["image/jpeg", "audio/mpeg", "image/svg+xml", "text/html"])
def test_a_file_that_is_not_what_it_is_said_to_be_is_refused(form: str, declared: str) -> None:
    kind = "card" if form in ("jpeg", "png", "gif") else "music"
    if {"jpeg": "image/jpeg", "mp3": "audio/mpeg"}.get(form) == declared:
        assert from_file(kind, FILES[form], declared)  # type: ignore[arg-type]
        return
    with pytest.raises(Unusable, match="is said to be"):
        from_file(kind, FILES[form], declared)  # type: ignore[arg-type]


def test_a_card_is_seen_and_a_song_is_heard() -> None:
    with pytest.raises(Unusable, match="A card is a picture"):
        from_file("card", FILES["mp3"])
    with pytest.raises(Unusable, match="A song is a sound"):
        from_file("song", FILES["jpeg"])


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((60_000, 60_000), "cannot be read"),
        ((2**31 - 1, 1_000), "cannot be read"),
        ((5_000, 5_000), "at most 16 million"),
        ((4_000, 100), "no strip"),
        ((10, 10), "at least 64"),
    ],
)
def test_a_picture_that_would_unfold_to_something_enormous_or_tiny_is_refused_before_it_does(
    size: tuple[int, int], reason: str
) -> None:
    with pytest.raises(Unusable, match=reason):
        from_file("card", bomb(*size))


def test_an_hour_of_silence_in_a_small_file_is_refused_after_its_first_minute() -> None:
    hour = b"#!AMR\n" + (b"\x7c" * 200_000)  # frames of no data: a byte for 20 milliseconds
    with pytest.raises(Unusable, match=r"longer than 60|cannot be read|no sound"):
        from_file("music", hour)
    silence, file = bytes(2 * 8_000 * 61), io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8_000, 0, "NONE", ""))
        out.writeframes(silence)
    with pytest.raises(Unusable, match="longer than 60"):
        from_file("music", file.getvalue())


@pytest.mark.parametrize(("channels", "rate"), [(1, 1), (1, 3_999), (1, 1_000_000), (60, 8_000)])
def test_a_wav_file_with_samples_of_an_hour_each_is_refused_before_it_is_decoded(channels: int, rate: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(bytes(200_000))
    with pytest.raises(Unusable, match=r"unusual|cannot be read"):
        from_file("music", file.getvalue())


def test_a_wav_file_that_holds_another_codec_is_refused() -> None:
    strange = bytearray(FILES["wav"])
    strange[20:22] = (0x0050).to_bytes(2, "little")  # MPEG layer II
    with pytest.raises(Unusable, match="unusual"):
        from_file("music", bytes(strange))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        b"%PDF-1.7",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"\x1f\x8b\x08",
        b"#EXTM3U\nfile:///etc/passwd",
        b"ffconcat version 1.0\nfile /etc/passwd",
    ],
)
def test_what_begins_like_nothing_we_import_is_refused(body: bytes) -> None:
    with pytest.raises(Unusable, match="This is no JPEG"):
        from_file("card", body)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(Unusable, match="at most 5,000,000"):
        from_file("card", FILES["jpeg"] + bytes(renditions.MOST_BYTES))


@pytest.mark.parametrize("form", FILES)
def test_a_file_that_was_damaged_becomes_renditions_or_is_refused(form: str) -> None:
    chance, whole = random.Random(form), FILES[form]
    kind = "card" if form in ("jpeg", "png", "gif") else "music"
    for round_ in range(15):
        damaged = bytearray(whole if round_ % 2 else whole[: chance.randrange(1, len(whole))])
        for _ in range(chance.choice((1, 4, 30))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            from_file(kind, bytes(damaged))  # type: ignore[arg-type]
        except Unusable:
            continue
