"""A gift is told by a call, by the whole product and in a real browser: the phone rings, is answered, and 1 accepts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from bot.app import build_worker
from bot.config import Settings
from bot.services import Services
from circulation import ladder, members
from circulation.msisdn import Msisdn
from phones import DEMO_CAST
from storage.roles import Role
from tests.developing import CHROMIUM, browsing
from tests.people import People

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="browser tests need chromium at /usr/bin/chromium")

BARAKA = Msisdn(DEMO_CAST[1].msisdn)


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    return plain_settings.model_copy(update={"routes": "sms,voice + twilio", "voice": "twilio"})


def test_a_phone_rings_is_answered_and_1_accepts_the_gift(
    people: People, services: Services, settings: Settings, live: str
) -> None:
    noon = datetime.now(UTC).replace(hour=9) + timedelta(days=1)  # where Baraka lives
    for database in (people.database, services.database):
        database.clock_offset = f"{(noon - datetime.now(UTC)).total_seconds()} seconds"
    worker = build_worker(settings, replace(services, database=services.database.as_role(Role.WORKER)))
    giver = people.member("Zawadi")
    gift_id = people.gift(giver, people.certificate(giver), BARAKA)
    with people.database.begin() as db:
        recipient = members.meet(db, BARAKA, "en")
        assert ladder.call(db, services.talk.rules, ladder.hold(db, gift_id), recipient) is None
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{live}/phones")
        phone = page.locator("#phone-2")
        while worker.run_once():
            pass
        ringer = phone.get_by_role("alertdialog", name="Giftline calls")
        ringer.get_by_role("button", name="Answer").click()
        expect(phone.locator(".view")).to_contain_text("Zawadi gives you")
        phone.locator(".keypad [data-key='1']").click()
        expect(phone.locator(".view")).to_contain_text("It is yours")
        phone.locator(".end").click()
        expect(phone).to_have_attribute("data-at", "home")

    assert people.value("SELECT state FROM gift WHERE id = :id", id=gift_id) == "accepted"
    assert people.value("SELECT holder_id FROM certificate") == recipient.id
