"""The settings of how people are reached: routes, gateways, voice, e-mail, contents, and the limits on what is sent."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

DEVELOPMENT_CHANNELS = {
    "kannel_password": "dev-kannel-password",
    "kannel_secret": "dev-kannel-secret",
    "smpp_password": "dev-smpp",
    "routes": "sms + twilio africastalking; mms,voice + twilio; email * smtp",
    "voice": "twilio",
    "email_from": "gifts@giftline.example",
}
"""What development uses when nothing is set. Production refuses those of these values that begin with `dev-`."""

HOW_PEOPLE_ARE_REACHED = frozenset({"routes", "voice", "sms_provider"})
"""One choice: development fills in its routes and its voice only where none of these was set."""

NEEDED_BESIDE = {"kannel_url": ("kannel_password", "kannel_secret"), "smpp_host": ("smpp_password",)}
"""What production cannot do without where the first setting is there."""


class ChannelSettings(BaseSettings):
    """The settings of the gateways. One that is not named in `ROUTES`, or is without its address, is not used."""

    routes: str = Field(
        "",
        description="Who carries what where: entries `<forms> <prefix> <provider> [<fallback> ...]` joined by `;`, such as "
        "`sms,mms,voice +1 twilio; sms +254 africastalking kannel; sms + kannel; email * smtp`. The longest prefix wins. "
        "Empty: texts by `SMS_PROVIDER`, nothing else.",
    )
    countries_served: str = Field(
        "",
        description="ISO 3166 countries to which gifts are sent, joined by commas; empty: `COUNTRY` alone.",
        pattern=r"^([A-Z]{2}(,[A-Z]{2})*)?$",
    )
    gifts_a_day: int = Field(50, description="Gifts one person may offer in a day.", ge=1)
    strangers_a_day_per_prefix: int = Field(
        2_000,
        description="Texts a day to people who never wrote to us, per range of numbers (its first seven digits).",
        ge=1,
    )
    texts_a_day: int = Field(
        100_000,
        description="Texts a day in all. Above it gift notices and reminders wait for the next day, and the operator is told.",
        ge=1,
    )

    kannel_url: str = Field("", description="Kannel's sendsms address, such as `http://gateway:13013/cgi-bin/sendsms`.")
    kannel_username: str = Field("giftline", description="Its sendsms user.")
    kannel_password: SecretStr = Field(SecretStr(""), description="That user's password.")
    kannel_secret: SecretStr = Field(
        SecretStr(""), description="The secret part of the paths Kannel calls (it does not sign)."
    )
    kannel_from: str = Field("", description="Short code or sender name at Kannel; empty: its default.")

    smpp_host: str = Field("", description="The SMSC's host; empty: no SMPP. `python -m bot.smpp` keeps the bind.")
    smpp_port: int = Field(2775, description="Its port.", ge=1, le=65535)
    smpp_system_id: str = Field("giftline", description="Our name there.", max_length=15)
    smpp_password: SecretStr = Field(SecretStr(""), description="Our password there; SMPP allows eight characters.")
    smpp_system_type: str = Field("", description="System type, where the SMSC asks for one.", max_length=12)
    smpp_from: str = Field("", description="Short code or sender name texts come from; empty: the SMSC's default.")
    smpp_receipt_ids: Literal["same", "decimal", "hex"] = Field(
        "same",
        description="How the SMSC's receipts write the ids it gave: as it gave them, or `decimal` where it gave hexadecimal, "
        "or `hex` where it gave decimal.",
    )
    smpp_profile: str = Field(
        "standard", description="How this SMSC speaks USSD: one of `bot/channels/smpp_profiles.toml`."
    )

    voice: Literal["", "twilio"] = Field(
        "", description="Who carries voice calls; empty: nobody is called and calls are refused."
    )
    voices: str = Field(
        "en en-GB Polly.Amy; sw sw-KE Google.sw-KE-Chirp3-HD-Aoede",
        description="Who speaks which language at Twilio: entries `<language> <tag> <voice>` joined by `;`. A language without "
        "one is spoken by the first.",
        pattern=r"^[a-z]{2,3} [A-Za-z0-9-]+ [A-Za-z0-9.-]+(; *[a-z]{2,3} [A-Za-z0-9-]+ [A-Za-z0-9.-]+)*$",
    )

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Mail server, `smtp://user:password@host:587` (STARTTLS) or `smtps://`; empty: no e-mail.",
    )
    email_from: str = Field(
        "", description="The address mail comes from; bounces return to it with `+b...` before the @."
    )
    email_bounces: Path | None = Field(None, description="Maildir in which the mail server files what came back.")

    content_providers: str = Field(
        "",
        description="Outside providers of gift contents, `<name> <https address>` joined by `;`; nobody else is asked.",
    )

    @model_validator(mode="after")
    def calls_are_answered(self) -> Self:
        """Refuses routes for calls that would be answered by nobody of ours."""
        if not self.voice and re.search(r"\bvoice\b", self.routes):
            raise ValueError("ROUTES has voice and VOICE is empty.")
        return self
