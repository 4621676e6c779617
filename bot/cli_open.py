"""What the commands open: the settings, the database those name (else that of bin/dev), and the joined product."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import click
from babel.numbers import get_currency_precision
from sqlalchemy import Connection, text

from bot import servers
from bot.config import Settings, SettingsRefused
from bot.services import Services
from storage.database import Database, migrate
from storage.roles import Role

_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_NO_HURRY = text("SET LOCAL statement_timeout = '15min'")


def settings() -> Settings:
    """The settings from the environment; what is wrong with them ends the command with one sentence."""
    try:
        return Settings.load()
    except SettingsRefused as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def addresses() -> Iterator[servers.Addresses]:
    """Where both servers are, started for the moment when nobody else has."""
    try:
        with servers.in_use(settings()) as found:
            yield found
    except (servers.NotInstalled, servers.CannotStart) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def database(role: Role) -> Iterator[Database]:
    """The migrated database, with the rights of `role`."""
    with addresses() as found:
        migrate(found.database_url)
        opened = Database(found.database_url, role=role, connections=1)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def reading(opened: Database) -> Iterator[Connection]:
    """Everything as it was at one moment, however long reading it takes; nothing can be written."""
    with opened.begin() as db:
        db.execute(_ONE_MOMENT)
        db.execute(_NO_HURRY)
        yield db


@contextmanager
def product() -> Iterator[Services]:
    """The product's parts, joined on the migrated database with the console's rights."""
    from bot.app import build_services

    with addresses() as found:
        migrate(found.database_url)
        here = {"database_url": found.database_url, "redis_url": found.redis_url}
        services = build_services(settings().model_copy(update=here), Role.CONSOLE)
        try:
            yield services
        finally:
            services.database.close()
            services.redis.close()


def amount(minor: int, currency: str) -> str:
    """Minor units as units of the currency, with its decimals, for columns."""
    digits = get_currency_precision(currency)
    return f"{Decimal(minor).scaleb(-digits):,.{digits}f}"
