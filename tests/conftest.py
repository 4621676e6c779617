"""What every test may ask for: real PostgreSQL and Valkey, private to the test, and the product joined on them."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import redis as redis_client
from flask import Flask
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text
from werkzeug.serving import make_server

from bot import embedded
from bot.app import build_services, create_app
from bot.config import Settings
from bot.logs import set_up
from bot.services import Services
from circulation.stocking import DEMO, stock
from storage.database import Database, driver_url, migrate
from storage.roles import Role
from tests.fakes.providers import FakeProviders
from tests.people import BUSINESS, EVERYTHING, People

hypothesis_settings.register_profile("house", deadline=None)
hypothesis_settings.load_profile("house")
set_up()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rewrite`: transcripts are written anew as the product plays them."""
    parser.addoption("--rewrite", action="store_true", help="write the transcripts as the product plays them")


@pytest.fixture(scope="session")
def servers() -> Iterator[embedded.Servers]:
    """PostgreSQL and Valkey for this test process."""
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        running = embedded.start(Path(folder), durable=False)
        yield running
        running.stop()


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> str:
    """A migrated database with the demo data, of which every test gets a copy."""
    name = "template_giftline"
    _admin(servers, f"CREATE DATABASE {name}")
    url = _named(servers, name)
    migrate(url)
    database = Database(url, role=Role.CONSOLE, connections=1)
    with database.begin() as db:
        stock(db, DEMO / "KE.toml")
    database.close()
    engine = create_engine(driver_url(url))
    with engine.begin() as owner:
        owner.execute(text(EVERYTHING))
    engine.dispose()
    return name


@contextmanager
def copied(servers: embedded.Servers, template: str) -> Iterator[str]:
    """The address of a copy of a database (`template0`: an empty one), which is gone afterwards."""
    name = f"test_{uuid4().hex}"
    _admin(servers, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(servers, name)
    _admin(servers, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(servers: embedded.Servers, template: str) -> Iterator[str]:
    """The address of a database of the test's own."""
    with copied(servers, template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's own database."""
    database = Database(database_url, role=BUSINESS)
    yield database
    database.close()


@pytest.fixture
def redis(servers: embedded.Servers) -> Iterator[redis_client.Redis]:
    """This process's Valkey, empty."""
    client = redis_client.Redis.from_url(servers.redis_url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def plain_settings(servers: embedded.Servers, database_url: str) -> Settings:
    """Development settings on the test's own database, with a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Settings(
        giftline_mode="development",
        database_url=database_url,
        redis_url=servers.redis_url,
        port=port,
        web_threads=16,
        payment_rails="phone_bill",
        routes="",
        smtp_url="",
        subscriber_api_base="",
    )


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """The settings of the test; a module may override them, by `settings_with_providers` for one."""
    return plain_settings


@pytest.fixture
def providers() -> Iterator[FakeProviders]:
    """Twilio and Africa's Talking, who take every text and keep it."""
    with FakeProviders() as providers:
        yield providers


@pytest.fixture
def settings_with_providers(plain_settings: Settings, providers: FakeProviders) -> Settings:
    """Settings by which texts go to the fake providers."""
    return plain_settings.model_copy(
        update={"twilio_api_base": providers.url, "africastalking_api_base": providers.url}
    )


@pytest.fixture
def services(settings: Settings, redis: redis_client.Redis) -> Iterator[Services]:
    """The product's parts, joined."""
    services = build_services(settings)
    yield services
    services.database.close()
    services.redis.close()


@pytest.fixture
def people(services: Services) -> Iterator[People]:
    """People with phones, certificates and tills, made by the product's verbs."""
    people = People(services)
    yield people
    people.database.close()


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    """The web application."""
    return create_app(settings, services)


@pytest.fixture
def live(app: Flask, settings: Settings) -> Iterator[str]:
    """The web application answering real HTTP; its address."""
    server = make_server("127.0.0.1", settings.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)  # looks for its end that often
    thread.start()
    yield f"http://127.0.0.1:{settings.port}"
    server.shutdown()
    thread.join()


def _admin(servers: embedded.Servers, statement: str) -> None:
    engine = create_engine(driver_url(servers.database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(statement))
    engine.dispose()


def _named(servers: embedded.Servers, name: str) -> str:
    head, _, query = servers.database_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"
