"""The page of a gift and what it shows: who may fetch what and until when, and what its buttons do."""

import io
import re
import secrets

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from bot.app import create_app
from bot.config import Settings
from bot.services import Services
from circulation import contents, links, notices
from circulation.email_address import Email
from circulation.members import Member
from circulation.msisdn import Msisdn
from contents.renditions import Rendition
from tests.mailbox import by_mail
from tests.people import People

CAROL = Email("carol@example.org")


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    return plain_settings.model_copy(update=by_mail("smtp://127.0.0.1:1"))


@pytest.fixture
def client(settings: Settings, services: Services) -> FlaskClient:
    return create_app(settings, services).test_client()


@pytest.fixture
def amina(people: People) -> Member:
    return people.member("Amina & <b>Sons</b>")


def link(people: People, gift: str, *, by_mail: bool = False) -> str:
    """The path of a new page for a gift, as it stands in a text or in a mail."""
    with people.database.begin() as db:
        name = links.mint_page(db, gift, by_mail=by_mail)
        return links.urls(db, people.rules, [name])[name].removeprefix(people.rules.public_base_url)


def mailed(people: People, giver: Member, note: str = "") -> tuple[str, str]:
    gift = people.gift(giver, people.certificate(giver), CAROL, note)
    return gift, link(people, gift, by_mail=True)


def by_phone(people: People, giver: Member) -> tuple[str, str, Msisdn]:
    phone = people.number()
    gift = people.gift(giver, people.certificate(giver), phone)
    return gift, link(people, gift), phone


def minted(people: People, gift: str, kind: links.Kind, content: int | None = None, rung: int = 0) -> str:
    """The path under which something new of a gift is fetched."""
    with people.database.begin() as db:
        name = links.mint(db, kind, gift, content, rung)
        return links.urls(db, people.rules, [name])[name].removeprefix(people.rules.public_base_url)


def press(client: FlaskClient, path: str, do: str, page: TestResponse | None = None, **more: str) -> TestResponse:
    """What comes of a button of the page, or of the page that was shown last."""
    shown = (page or client.get(path)).text
    form = next(form for form in re.findall(r"<form.*?</form>", shown, re.DOTALL) if f'name="do" value="{do}"' in form)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return client.post(path, data=hidden | more)


def state(people: People, gift: str) -> str:
    return str(people.value("SELECT state FROM gift WHERE id = :id", id=gift))


# Looking --------------------------------------------------------------------------------------------------------------


def test_the_page_says_who_gives_what_and_how_to_answer_and_has_no_button_for_a_phones_gift(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path, _ = by_phone(people, amina)
    page = client.get(path)
    assert page.status_code == 200
    assert "Amina &amp; &lt;b&gt;Sons&lt;/b&gt; gives you Giftline KES 500." in page.text
    assert "reply 1 to the text" in page.text and "<form" not in page.text
    assert len(page.data) < 10_000
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert client.post(path, data={"do": "refused", "token": "x"}).status_code == 200
    assert state(people, gift) == "offered"


def test_the_page_speaks_the_readers_language_or_else_the_givers(
    client: FlaskClient, people: People, amina: Member
) -> None:
    _, path = mailed(people, people.member("Baraka", language="sw"))
    assert '<html lang="sw">' in client.get(path).text
    assert '<html lang="en">' in client.get(path, headers={"Accept-Language": "fr-FR, en-GB;q=0.5"}).text
    assert '<html lang="sw">' in client.get(path, headers={"Accept-Language": "ja;;q=x"}).text


def test_card_sound_and_other_pictures_are_shown_and_can_be_fetched(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path = mailed(people, amina)
    picture = io.BytesIO()
    Image.new("RGB", (640, 480), "#123456").save(picture, "JPEG")
    with people.database.begin() as db:
        ids = [
            contents.import_piece(
                db,
                key=key,
                kind=kind,  # type: ignore[arg-type]
                title=title,
                source="",
                renditions=[Rendition(mime, 0, body)],
            )
            for key, kind, title, mime, body in (
                ("cake", "card", "Cake", "image/jpeg", picture.getvalue()),
                ("lion", "character", "Lion", "image/jpeg", picture.getvalue()),
                ("tune", "song", "Tune", "audio/mpeg", b"ID3 a song"),
            )
        ]
        contents.pack(db, gift, ids)
    page = client.get(path).text
    files = re.findall(rf'src="{path}/([^"]+)"', page)
    assert [file.split("-")[0].split(".")[0] for file in files] == ["card", "picture", "sound"]
    fetched = [client.get(f"{path}/{file}") for file in files]
    assert [one.mimetype for one in fetched] == ["image/jpeg", "image/jpeg", "audio/mpeg"]
    assert Image.open(io.BytesIO(fetched[0].data)).size == (320, 240)
    assert "Listen: Tune" in page
    for kind, content, mime in (
        ("card", None, "image/jpeg"),
        ("card", ids[1], "image/jpeg"),
        ("sound", ids[2], "audio/mpeg"),
    ):
        there = minted(people, gift, kind, content)  # type: ignore[arg-type]
        got, head = client.get(there), client.head(there)
        assert (got.status_code, got.mimetype) == (200, mime)
        assert head.data == b"" and head.headers["Content-Length"] == str(len(got.data))
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert got.headers["Content-Disposition"] == "inline" and "private" in got.headers["Cache-Control"]
        assert len(there.rsplit("/", 1)[1]) <= 20
        assert client.get(there, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    assert client.get(there, headers={"Range": "bytes=0-2"}).data == b"ID3"
    small = client.get(minted(people, gift, "card", rung=2))
    assert Image.open(io.BytesIO(small.data)).size == (128, 160) and len(small.data) <= 30_000


def test_the_barcode_is_there_only_in_the_hands_of_who_accepted(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path, phone = by_phone(people, amina)
    alone = minted(people, gift, "barcode")
    assert client.get(f"{path}/barcode-1.png").status_code == client.get(alone).status_code == 404
    people.accept(gift, people.met(phone))
    assert f'src="{path}/barcode-1.png"' in client.get(path).text
    for there in (f"{path}/barcode-1.png", alone):
        picture = client.get(there)
        assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG") and len(picture.data) < 1_000
    assert client.get(f"{path}/barcode-2.png").status_code == 404
    holder = people.met(phone)
    certificate = people.value("SELECT certificate_id FROM gift_sheet WHERE gift_id = :id", id=gift)
    people.gift(holder, certificate, people.number())
    people.run("UPDATE certificate SET holder_id = :id WHERE id = :certificate", id=amina.id, certificate=certificate)
    assert client.get(f"{path}/barcode-1.png").status_code == 404


def test_whatever_cannot_be_fetched_gets_the_same_answer_and_a_forgery_reads_nothing(
    client: FlaskClient, people: People, services: Services, amina: Member
) -> None:
    gift, path, _ = by_phone(people, amina)
    card = minted(people, gift, "card")
    token, page = card.split("/")[2], path.split("/")[2]
    assert client.get(card).status_code == 200
    expired = links.path(people.rules.link_key, links.open_token(people.rules.link_key, token) or "", 1)
    other = gift_taken_back(people, amina)
    refused = [
        f"/m/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}/card.jpg",
        f"/m/{expired}/card.jpg",
        f"/m/{page}/card.jpg",
        f"/m/{'A' * 40}/card.jpg",
        "/m/x/card.jpg",
        "/m/%00/card.jpg",
        f"/m/{'é' * 40}/card.jpg",
        minted(people, other, "card"),
        f"/g/{token}",
        f"/g/{'A' * 40}",
        f"/g/{page}/sound-1.mp3",
        f"{link(people, other)}/card.jpg",
    ]
    answers = {
        (answer.status_code, answer.data, tuple(sorted(answer.headers.items())))
        for answer in (client.get(refusal) for refusal in refused)
    }
    assert len(answers) == 1, answers
    assert next(iter(answers))[:2] == (404, b"Not found")
    services.database.close()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(services.database, "begin", lambda: pytest.fail("a guess was looked up"))
        for _ in range(1_000):
            guess = secrets.token_urlsafe(30)
            assert client.get(f"/m/{guess}/card.jpg").status_code == client.get(f"/g/{guess}").status_code == 404


def gift_taken_back(people: People, giver: Member) -> str:
    gift = people.gift(giver, people.certificate(giver), people.number())
    people.run("UPDATE gift SET state = 'recalled' WHERE id = :id", id=gift)
    return gift


# Answering ------------------------------------------------------------------------------------------------------------


def test_refusing_is_asked_once_more_and_sends_the_gift_back(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path = mailed(people, amina, "For school")
    assert "Message from Amina" in client.get(path).text
    sure = press(client, path, "refuse")
    assert "goes back to Amina" in sure.text and state(people, gift) == "offered"
    done = press(client, path, "refused", sure)
    assert (done.status_code, done.headers["Location"], state(people, gift)) == (303, path, "declined")
    page = client.get(path)
    assert "This gift was refused." in page.text and "<form" not in page.text
    assert client.get(f"{path}/card.jpg").status_code == 404
    assert people.texts(amina.msisdn)[-1].sentence == notices.GIFT_DECLINED


def test_naming_a_phone_makes_it_an_offer_there_and_it_can_be_corrected_once(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path = mailed(people, amina)
    asked = press(client, path, "accept")
    unread = press(client, path, "phone", asked, phone="not a phone")
    assert unread.status_code == 200 and "We could not read that phone number." in unread.text
    own = press(client, path, "hand", press(client, path, "phone", unread, phone=amina.msisdn.e164))
    assert "giver&#39;s own number" in own.text
    texted = ""
    for typed in ("0712 555 001", "0712 555 002"):
        check = press(client, path, "phone", press(client, path, "accept"), phone=typed)
        assert "0712 55500" in check.text and people.texts(Msisdn("+254" + typed[1:].replace(" ", ""))) == []
        done = press(client, path, "hand", check)
        assert done.status_code == 303
        assert f"ends in {typed[-3:]}" in client.get(path).text
        assert not texted or client.get(texted).status_code == 404
        texted = link(people, gift)
        assert "reply 1 to the text" in client.get(texted).text and "<form" not in client.get(texted).text
    assert 'value="accept"' not in client.get(path).text
    assert [one.sentence for one in people.texts(Msisdn("+254712555001"))][-1] == notices.GIFT_NOT_HERE
    assert state(people, gift) == "offered"
    people.accept(gift, people.met(Msisdn("+254712555002")))
    assert "This gift was accepted." in client.get(path).text


def test_a_phone_that_is_refused_leaves_nothing_behind(client: FlaskClient, people: People, amina: Member) -> None:
    _, path = mailed(people, amina)
    for _ in range(2):
        check = press(client, path, "phone", press(client, path, "accept"), phone="0712555001")
        press(client, path, "hand", check)
        people.run(
            "UPDATE sending_tally SET count = :most WHERE scope = 'range'", most=people.rules.strangers_a_day_per_prefix
        )
    refused = press(
        client, path, "hand", press(client, path, "phone", press(client, path, "accept"), phone="0712555002")
    )
    assert refused.status_code == 200 and "Very many texts went to numbers like that" in refused.text
    tally = people.value("SELECT count FROM sending_tally WHERE scope = 'range'")
    assert tally == people.rules.strangers_a_day_per_prefix
    assert people.rows("SELECT FROM member WHERE msisdn = '+254712555002'") == []


def test_an_old_page_and_a_forged_form_do_nothing(client: FlaskClient, people: People, amina: Member) -> None:
    gift, path = mailed(people, amina)
    old = press(client, path, "refuse")
    check = press(client, path, "phone", press(client, path, "accept"), phone="0712555003")
    press(client, path, "hand", check)
    for answer in (
        press(client, path, "refused", old),
        client.post(path, data={"do": "refused"}),
        client.post(path, data={"do": "refused", "token": "é"}),
        client.post(path, data=b"\xff" * 100, content_type="multipart/form-data; boundary=\xff"),
        client.post(path, json={"do": "refused"}),
    ):
        assert answer.status_code == 200 and "This page had changed" in answer.text
    assert client.post(path, data=b"x" * 70_000).status_code == 413
    assert state(people, gift) == "offered"


def test_looking_changes_nothing_as_machines_follow_every_link(
    client: FlaskClient, people: People, amina: Member
) -> None:
    gift, path = mailed(people, amina)
    rows = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM opt_out), (SELECT count(*) FROM media)"
    before = people.rows(rows)
    for look in (path, f"{path}?do=refused", f"{path}/no-more", f"{path}/card.jpg"):
        assert client.get(look).status_code == client.head(look).status_code == 200
    assert people.rows(rows) == before and state(people, gift) == "offered"


def test_one_click_ends_mail_about_gifts_to_that_address(client: FlaskClient, people: People, amina: Member) -> None:
    _, path = mailed(people, amina)
    assert "c***@example.org" in client.get(f"{path}/no-more").text
    for _ in range(2):
        done = client.post(f"{path}/no-more", data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200 and "We send no more gifts" in done.text
    wishes = people.rows("SELECT address, sender, purpose FROM opt_out")
    assert [tuple(row) for row in wishes] == [(CAROL.address, "smtp", "gift")]
    assert "We send gifts to" in press(client, f"{path}/no-more", "again", done).text
    assert people.rows("SELECT address FROM opt_out") == []
    _, phones, _ = by_phone(people, amina)
    assert client.post(f"{phones}/no-more").status_code == 404
