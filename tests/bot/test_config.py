"""Settings: development fills itself in, production starts with real values or says what is missing, secrets stay unseen."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from bot.config import DEVELOPMENT_SECRETS, Settings, SettingsRefused
from storage.database import driver_url

REAL = {
    "GIFTLINE_MODE": "production",
    "DATABASE_URL": "postgresql://giftline:s3cret-db@db.example/giftline",
    "REDIS_URL": "redis://:s3cret-redis@cache.example/0",
    "PUBLIC_BASE_URL": "https://gift.example",
    "GIFTLINE_SECRET_KEY": "s3cret-key-of-more-than-32-characters",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "s3cret-token",
    "TWILIO_FROM": "+254711000000",
    "AFRICASTALKING_USERNAME": "giftline",
    "AFRICASTALKING_API_KEY": "s3cret-api-key",
    "AFRICASTALKING_SECRET": "s3cret-path",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that sets nothing of ours."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def set_all(environment: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        environment.setenv(name, value)


def test_production_starts_with_real_values(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, REAL)
    settings = Settings.load()
    assert not settings.development
    assert settings.twilio_auth_token.get_secret_value() == "s3cret-token"
    assert settings.twilio_api_base == "https://api.twilio.com"


def test_production_is_what_runs_when_nothing_says_otherwise(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsRefused, match="Production needs these settings"):
        Settings.load()


@pytest.mark.parametrize("name", [name for name in REAL if name != "GIFTLINE_MODE"])
def test_production_names_the_setting_that_is_missing_and_shows_no_secret(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    set_all(environment, {**REAL, name: ""})
    with pytest.raises(SettingsRefused) as refused:
        Settings.load()
    assert name in str(refused.value)
    assert [other for other in REAL if other in str(refused.value)] == [name]
    assert "s3cret" not in str(refused.value)


def test_production_names_everything_that_is_missing_at_once(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings.load()
    assert all(name in str(refused.value) for name in REAL if name != "GIFTLINE_MODE")


@pytest.mark.parametrize(
    "name",
    [
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "AFRICASTALKING_API_KEY",
        "AFRICASTALKING_SECRET",
        "GIFTLINE_SECRET_KEY",
    ],
)
def test_production_refuses_the_secrets_that_everybody_knows(environment: pytest.MonkeyPatch, name: str) -> None:
    known = DEVELOPMENT_SECRETS[name.lower()]
    set_all(environment, {**REAL, name: known})
    with pytest.raises(SettingsRefused) as refused:
        Settings.load()
    assert name in str(refused.value) and known not in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_production_refuses_a_short_key(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, {**REAL, "GIFTLINE_SECRET_KEY": "s3cret-" + "x" * 24})
    with pytest.raises(SettingsRefused, match="at least 32 characters") as refused:
        Settings.load()
    assert "s3cret" not in str(refused.value)


def test_secrets_do_not_show_when_settings_are_printed(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, REAL)
    settings = Settings.load()
    shown = f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    for name in ("GIFTLINE_SECRET_KEY", "TWILIO_AUTH_TOKEN", "AFRICASTALKING_API_KEY", "AFRICASTALKING_SECRET"):
        assert REAL[name] not in shown


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("KANNEL_URL", "http://10.0.0.5:13013/cgi-bin/sendsms", "KANNEL_PASSWORD, KANNEL_SECRET"),
        ("SMPP_HOST", "10.0.0.6", "SMPP_PASSWORD"),
    ],
)
def test_a_gateway_that_is_named_needs_its_secrets(
    environment: pytest.MonkeyPatch, name: str, value: str, needed: str
) -> None:
    set_all(environment, REAL | {name: value})
    with pytest.raises(SettingsRefused, match=f"Production needs these settings: {needed}"):
        Settings.load()


def test_development_needs_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GIFTLINE_MODE", "development")
    environment.setenv("PORT", "8123")
    settings = Settings.load()
    assert settings.development
    assert settings.africastalking_secret.get_secret_value() == "dev-secret"
    assert settings.twilio_account_sid == DEVELOPMENT_SECRETS["twilio_account_sid"]
    assert settings.public_base_url == "http://127.0.0.1:8123"
    assert settings.twilio_api_base == "http://127.0.0.1:8123/phones/twilio"
    assert settings.africastalking_api_base == "http://127.0.0.1:8123/phones/africastalking"
    assert (settings.database_url, settings.redis_url) == ("", "")


def test_development_keeps_what_is_set(environment: pytest.MonkeyPatch) -> None:
    set_all(environment, {**REAL, "GIFTLINE_MODE": "development", "TWILIO_API_BASE": "http://127.0.0.1:9"})
    settings = Settings.load()
    assert settings.twilio_auth_token.get_secret_value() == "s3cret-token"
    assert settings.twilio_api_base == "http://127.0.0.1:9"
    assert settings.public_base_url == "https://gift.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "http"),
        ("COUNTRY", "Kenya"),
        ("CURRENCY", "shilling"),
        ("CODE_SECONDS", "0"),
        ("GIFT_LAPSE_SECONDS", "-1"),
        ("SMS_PROVIDER", "pigeon"),
        ("GIFTLINE_MODE", "staging"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    set_all(environment, REAL | {"GIFTLINE_MODE": "development", name: value})
    with pytest.raises(SettingsRefused, match=f"^{name}: ") as refused:
        Settings.load()
    assert "s3cret" not in str(refused.value)


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GIFTLINE_MODE", "development")
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.port = 9000  # type: ignore[misc]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_spelling_of_a_database_s_address_is_understood(scheme: str) -> None:
    address = "app:p%40ss@db.example:5432/giftline?sslmode=require"
    assert driver_url(f"{scheme}://{address}") == f"postgresql+psycopg://{address}"


@pytest.mark.parametrize(
    "url", ["", "sqlite:///gift.db", "mysql://db/giftline", "postgresql", "postgresql+asyncpg://db"]
)
def test_another_database_is_refused_without_showing_its_address(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL must begin with postgresql://") as refused:
        driver_url(url)
    assert not url or url not in str(refused.value).replace("postgresql://", "")


def test_development_reaches_people_in_every_way_unless_one_was_chosen(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GIFTLINE_MODE", "development")
    settings = Settings.load()
    assert {"mms,voice", "email"} <= {entry.split()[0] for entry in settings.routes.split(";")}
    assert (settings.voice, settings.smtp_url.get_secret_value()) == ("twilio", "smtp://127.0.0.1:8002")
    environment.setenv("SMS_PROVIDER", "africastalking")
    chosen = Settings.load()
    assert (chosen.routes, chosen.voice, chosen.sms_provider) == ("", "", "africastalking")
