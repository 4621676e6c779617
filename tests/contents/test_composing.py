"""What a gift shows in one picture: for each screen, within each limit, and still readable at the till."""

import io

import pytest
from PIL import Image

from contents import barcode, cards, characters
from contents.composing import RUNGS, TooLarge, compose
from contents.renditions import JPEG_BYTES
from tests.contents.test_barcode import photographed, read
from tests.packing import made
from tests.pages import REPOSITORY

CODE, BEARER = "123456789012", "7KQ4MXW2ABCD1234"
LINES = ["Soko Bora KES 500", "from Amina", "Happy birthday!"]
CARD = made("birthday")[0].body


@pytest.mark.parametrize("rung", range(len(RUNGS)))
@pytest.mark.parametrize("card", [CARD, None], ids=["card", "no card"])
@pytest.mark.parametrize("code", [CODE, BEARER, None])
def test_a_picture_has_the_size_of_its_screen_and_fits_its_limit(
    rung: int, card: bytes | None, code: str | None
) -> None:
    body = compose(card, LINES, code, rung=rung, limit=JPEG_BYTES[rung])
    picture = Image.open(io.BytesIO(body))

    assert (picture.format, picture.size, picture.info.get("progressive")) == ("JPEG", RUNGS[rung], None)
    assert len(body) <= JPEG_BYTES[rung]
    assert ((code, "QRCode") in read(photographed(picture))) == (code is not None)


def test_the_card_that_was_packed_is_the_one_that_is_shown() -> None:
    pictures = {
        compose(made(key)[0].body, LINES, None, rung=1, limit=100_000) for key in ("birthday", "thanks", "lion")
    }

    assert len({compose(None, LINES, None, rung=1, limit=100_000), *pictures}) == 4


def test_what_does_not_fit_into_so_few_bytes_is_refused() -> None:
    with pytest.raises(TooLarge):
        compose(CARD, LINES, CODE, rung=0, limit=5_000)


def test_a_tighter_limit_costs_quality_and_not_the_barcode() -> None:
    free = compose(CARD, LINES, CODE, rung=0, limit=300_000)
    tight = compose(CARD, LINES, CODE, rung=0, limit=28_000)

    assert len(tight) <= 28_000 < len(free)
    assert (CODE, "Code128") in read(Image.open(io.BytesIO(tight)))


def test_letters_the_font_has_not_are_left_out_with_their_line_and_accents_alone_without() -> None:
    without = compose(None, ["KES 500"], None, rung=2, limit=30_000)

    assert compose(None, ["KES 500", "from Łukasz", "من أمينة"], None, rung=2, limit=30_000) == without
    assert compose(None, ["KES 500", "from Zoë \N{WRAPPED PRESENT}"], None, rung=2, limit=30_000) == compose(
        None, ["KES 500", "from Zoe"], None, rung=2, limit=30_000
    )


@pytest.mark.parametrize("lines", [[], ["W" * 400], ["word " * 200], ["a"] * 60])
def test_any_words_leave_the_barcode_alone(lines: list[str]) -> None:
    for rung in range(len(RUNGS)):
        assert (CODE, "QRCode") in read(Image.open(io.BytesIO(compose(CARD, lines, CODE, rung=rung, limit=300_000))))


@pytest.mark.parametrize("draw", [*cards.THEMES.values(), *characters.CHARACTERS.values(), cards.parcel])
def test_every_drawing_fills_every_screen_with_many_colours(draw: object) -> None:
    for size in RUNGS:
        picture = draw(size)  # type: ignore[operator]
        assert picture.size == size
        assert len(picture.getcolors(1_000_000)) > 100


def test_the_pictures_in_the_docs_are_what_is_composed(request: pytest.FixtureRequest) -> None:
    """To draw them anew: `bin/test tests/contents/test_composing.py --rewrite`."""
    mms = compose(CARD, LINES, BEARER, rung=0, limit=JPEG_BYTES[0])
    small = Image.open(io.BytesIO(compose(CARD, LINES, BEARER, rung=2, limit=JPEG_BYTES[2])))
    docs = REPOSITORY / "docs"
    if request.config.getoption("--rewrite"):
        Image.open(io.BytesIO(mms)).save(docs / "mms.png", optimize=True)
        phone_screens(small).save(docs / "barcode-screen.png", optimize=True)

    for path, drawn in (
        (docs / "mms.png", Image.open(io.BytesIO(mms))),
        (docs / "barcode-screen.png", phone_screens(small)),
    ):
        kept = Image.open(path).convert("L").resize((40, 30), Image.Resampling.BOX)
        now = drawn.convert("L").resize((40, 30), Image.Resampling.BOX)
        assert max(abs(one - other) for one, other in zip(kept.tobytes(), now.tobytes(), strict=True)) < 12, path.name


def phone_screens(small: Image.Image) -> Image.Image:
    """Two phones' screens of 128 x 160, three times as large: a one-time code alone, and an MMS with a bearer code."""
    sheet = Image.new("RGB", (2 * 424 + 40, 520), "#2b2b33")
    for place, screen in enumerate((barcode.picture(CODE).convert("RGB"), small)):
        sheet.paste(screen.resize((384, 480), Image.Resampling.NEAREST), (20 + place * 444, 20))
    return sheet
