"""Every setting, its default and its meaning; the only reader of the environment.

Settings are read once, by `Settings()`, from environment variables of the same name. In development mode unset provider
secrets get fixed, documented `dev-...` values; production mode refuses to start without real ones, and names every
setting that is missing. The table in the README is checked against this file by a test.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from bot.config_channels import DEVELOPMENT_CHANNELS, HOW_PEOPLE_ARE_REACHED, NEEDED_BESIDE, ChannelSettings
from bot.config_rails import DEVELOPMENT_API_BASES, DEVELOPMENT_RAILS, RAIL_SETTINGS, RailSettings
from circulation import email_address
from circulation.routes import Routes

DEVELOPMENT_SECRETS = {
    "twilio_account_sid": "ACdev00000000000000000000000000000",
    "twilio_auth_token": "dev-twilio-token",
    "twilio_from": "+15005550006",
    "africastalking_username": "sandbox",
    "africastalking_api_key": "dev-africastalking-key",
    "africastalking_secret": "dev-secret",
    "subscriber_client_id": "dev-subscribers-client",
    "subscriber_client_secret": "dev-subscribers-secret",
    "giftline_secret_key": "dev-giftline-key-not-for-production",
}
"""What development uses when nothing is set. Production refuses every one of these values."""


class SettingsRefused(ValueError):
    """The settings cannot be used; the message says which and why, and never shows a secret."""


class Settings(ChannelSettings, RailSettings):
    """The settings of one process. Attribute names are the environment's names in lower case."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    giftline_mode: Literal["production", "development"] = Field(
        "production", description="`development` fills in `dev-` secrets, starts embedded servers and shows /phones."
    )
    anchor_file: Path | None = Field(
        None,
        description="File to which the head of the journal's chain is written each minute; keep it out of the database's "
        "reach. Empty: it is logged alone.",
    )
    giftline_data: Path = Field(Path("var"), description="Folder for the embedded PostgreSQL and Valkey.")
    port: int = Field(8000, description="Port the web server listens on.", ge=1, le=65533)
    web_processes: int = Field(2, description="Web server processes.", ge=1, le=64)
    web_threads: int = Field(8, description="Threads in each web server process.", ge=1, le=64)
    database_url: str = Field("", description="PostgreSQL 15 or newer. Unset: an embedded one starts.")
    redis_url: str = Field("", description="Redis 7.0, Valkey or newer. Unset: an embedded one starts.")
    public_base_url: str = Field(
        "", description="The address providers call, without a final slash; Twilio's signature is checked against it."
    )
    giftline_secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key for codes, PIN pepper and sealed replies; at least 32 characters, kept outside the database.",
    )

    twilio_account_sid: str = Field("", description="Twilio account (AC...).")
    twilio_auth_token: SecretStr = Field(SecretStr(""), description="Signs Twilio's requests and ours.")
    twilio_from: str = Field("", description="The number Twilio sends from, E.164.")
    twilio_api_base: str = Field("https://api.twilio.com", description="Twilio's REST API, or any contract server.")
    africastalking_username: str = Field("", description="Africa's Talking application name.")
    africastalking_api_key: SecretStr = Field(SecretStr(""), description="Africa's Talking API key.")
    africastalking_secret: SecretStr = Field(
        SecretStr(""), description="The secret part of the webhook paths (Africa's Talking does not sign)."
    )
    africastalking_from: str = Field(
        "", description="Short code or sender name at Africa's Talking; empty: its default."
    )
    africastalking_api_base: str = Field(
        "https://api.africastalking.com", description="Africa's Talking API, or any contract server."
    )
    sms_provider: Literal["twilio", "africastalking"] = Field(
        "twilio", description="Who carries texts to phones that have not written to us yet."
    )

    subscriber_api_base: str = Field(
        "",
        description="The operator's CAMARA KYC Match API, which says whose phone it is; empty: names are not checked.",
    )
    subscriber_client_id: str = Field("", description="OAuth client there.")
    subscriber_client_secret: SecretStr = Field(SecretStr(""), description="Its secret.")

    service_code: str = Field("*384*4438#", description="What people dial.")
    country: str = Field(
        "KE", description="ISO 3166 country whose numbers are typed without a prefix.", pattern=r"^[A-Z]{2}$"
    )
    law: str = Field(
        "", description="Law pack certificates are issued under, such as `US-CA`; empty: that of `COUNTRY`."
    )
    currency: str = Field("KES", description="ISO 4217 currency of certificates and bills.", pattern=r"^[A-Z]{3}$")
    time_zone: str = Field("Africa/Nairobi", description="Zone in which times are told to people.")
    gift_lapse_seconds: int = Field(7 * 86_400, description="An unanswered gift returns to its giver after this.", ge=1)
    code_seconds: int = Field(600, description="A one-time code lives this long.", ge=1, le=86_400)
    conversation_seconds: int = Field(86_400, description="An unfinished conversation is kept this long.", ge=60)

    @model_validator(mode="after")
    def complete(self) -> Self:
        """Fill in development's values, or refuse: nothing runs in production with a known secret."""
        if self.development:
            self._use_development_values()
        else:
            self._refuse_development_values()
        routes = Routes.parse(self.routes, texts_by=self.sms_provider)
        server = _plain(self.smtp_url)
        if server and not (server.startswith(("smtp://", "smtps://")) and email_address.parse(self.email_from)):
            raise SettingsRefused("SMTP_URL must begin with smtp:// or smtps://, and EMAIL_FROM be an address.")
        if "smtp" in routes.providers() and not server:
            raise SettingsRefused("ROUTES sends e-mail by smtp: SMTP_URL and EMAIL_FROM are needed for it.")
        return self

    @classmethod
    def load(cls) -> Self:
        """The settings from the environment. Raises SettingsRefused, with one sentence for each fault."""
        try:
            return cls()
        except ValidationError as error:
            faults = [
                ": ".join([*(str(name).upper() for name in fault["loc"]), fault["msg"]]) for fault in error.errors()
            ]
            raise SettingsRefused(" ".join(faults).replace("Value error, ", "")) from None

    @property
    def development(self) -> bool:
        """Whether this is a developer's machine, where phones are drawn and secrets are known."""
        return self.giftline_mode == "development"

    @property
    def fakes_url(self) -> str:
        """Where bin/dev serves the fake providers of every way to pay: the next port."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def fake_smtp_url(self) -> str:
        """Where bin/dev takes mail: the port after that."""
        return f"smtp://127.0.0.1:{self.port + 2}"

    def _use_development_values(self) -> None:
        local = f"http://127.0.0.1:{self.port}"
        values: dict[str, str] = {**DEVELOPMENT_SECRETS, **DEVELOPMENT_RAILS, **DEVELOPMENT_CHANNELS}
        values["public_base_url"] = local
        if self.model_fields_set & HOW_PEOPLE_ARE_REACHED:
            values = {name: value for name, value in values.items() if name not in HOW_PEOPLE_ARE_REACHED}
        for name, value in values.items():
            if not _plain(getattr(self, name)) or (name == "payment_rails" and name not in self.model_fields_set):
                is_secret = isinstance(getattr(self, name), SecretStr)
                object.__setattr__(self, name, SecretStr(value) if is_secret else value)
        bases = {
            "twilio_api_base": f"{local}/phones/twilio",
            "africastalking_api_base": f"{local}/phones/africastalking",
        }
        bases["subscriber_api_base"] = f"{local}/subscribers"
        bases |= {name: f"{self.fakes_url}/{path}" for name, path in DEVELOPMENT_API_BASES.items()}
        for name, base in bases.items():
            if name not in self.model_fields_set:
                object.__setattr__(self, name, base)
        if "smtp_url" not in self.model_fields_set:
            object.__setattr__(self, "smtp_url", SecretStr(self.fake_smtp_url))
        if "anchor_file" not in self.model_fields_set:
            object.__setattr__(self, "anchor_file", self.giftline_data / "anchors.txt")
        if "bank_statements" not in self.model_fields_set:
            object.__setattr__(self, "bank_statements", self.giftline_data / "statements")

    def _optional(self) -> set[str]:
        """What is needed only beside another setting that is empty here."""
        return set() if self.subscriber_api_base else {"subscriber_client_id", "subscriber_client_secret"}

    def _refuse_development_values(self) -> None:
        needed = [*(DEVELOPMENT_SECRETS.keys() - self._optional()), "public_base_url", "database_url", "redis_url"]
        needed += dict.fromkeys(name for rail in self.rails for name in RAIL_SETTINGS[rail])
        needed += [name for first, names in NEEDED_BESIDE.items() if _plain(getattr(self, first)) for name in names]
        missing = [name.upper() for name in needed if not _plain(getattr(self, name))]
        known = [
            name.upper()
            for name, value in (DEVELOPMENT_SECRETS | DEVELOPMENT_RAILS | DEVELOPMENT_CHANNELS).items()
            if (name in DEVELOPMENT_SECRETS or value.startswith("dev-"))
            and name not in {"africastalking_username", "twilio_from"}
            and _plain(getattr(self, name)) == value
        ]
        if missing:
            raise SettingsRefused(f"Production needs these settings: {', '.join(missing)}.")
        if known:
            raise SettingsRefused(f"Production refuses the development values of: {', '.join(known)}.")
        if len(_plain(self.giftline_secret_key)) < 32:
            raise SettingsRefused("GIFTLINE_SECRET_KEY must have at least 32 characters.")


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
