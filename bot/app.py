"""The composition root: joins everything; nobody imports it but the commands that start a process."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot import rails
from bot.catalogue import Catalogue
from bot.channels.africastalking import AfricasTalking
from bot.channels.twilio import Twilio
from bot.charging import Charging
from bot.chores import Chores
from bot.config import Settings
from bot.logs import quiet_libraries
from bot.messages import Receipt, Unavailable
from bot.notary import Notary
from bot.sealing import Seal
from bot.services import Services
from bot.showing import Setting
from bot.statements import Statements
from bot.subscribers import NameChecks, SubscriberLookup
from bot.turn import NOTHING_DONE, take_turn
from bot.worker import Worker
from circulation import law
from circulation.attempts import Attempts
from circulation.codes import CodeKeys
from circulation.pins import Pins
from circulation.rules import Rules
from circulation.values import unpack
from flows import FLOWS
from payments import callbacks, charges
from payments.carrier_bill import CarrierBill
from payments.gateway import Hint
from storage import outbox
from storage.conversations import WAKE, Conversations
from storage.database import Database
from storage.roles import Role
from webhooks import health, payments, sms, ussd

REDIS_SECONDS = 2.0
LONGEST_BODY = 64 * 1024


def build_services(settings: Settings, role: Role = Role.WEB) -> Services:
    """Open everything one process needs, with the rights of its kind. Nothing is asked of the servers yet."""
    database = Database(settings.database_url, role=role, connections=settings.web_threads + 2)
    client = redis.Redis.from_url(
        settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    seal = Seal(settings.giftline_secret_key.get_secret_value())
    catalogue = Catalogue(country=settings.country, zone=settings.time_zone)
    rules = _rules(settings, database, seal)
    return Services(
        settings=settings,
        database=database,
        redis=client,
        conversations=Conversations(client, seconds=settings.conversation_seconds),
        seal=seal,
        catalogue=catalogue,
        talk=Setting(
            flows=FLOWS,
            catalogue=catalogue,
            rules=rules,
            digest_key=seal.key("agreements"),
        ),
    )


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The web application: every door, and in development the browser phones."""
    settings = settings or Settings.load()
    services = services or build_services(settings)
    quiet_libraries()
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    twilio, africastalking = Twilio(settings), AfricasTalking(settings)
    turn = partial(take_turn, services)
    app.register_blueprint(sms.blueprint(twilio, africastalking, turn, partial(_record, services.database)))
    app.register_blueprint(ussd.blueprint(africastalking, turn))
    app.register_blueprint(
        payments.blueprint(
            {gateway.door or rail: gateway for rail, gateway in services.talk.rules.rails.items() if gateway},
            partial(_take_hint, services.database),
            partial(_pay_page, services.database),
        )
    )
    app.register_blueprint(
        health.blueprint({"database": partial(_ask, services.database), "redis": services.redis.ping})
    )
    if settings.development:
        import phones
        from phones import subscribers

        app.register_blueprint(subscribers.blueprint())
        app.register_blueprint(phones.blueprint(settings, services.redis, phones.DEMO_CAST))
    return app


def build_worker(settings: Settings) -> Worker:
    """The worker: sends the outbox, does the chores, and is woken by Redis as soon as a text waits."""
    services = build_services(settings, Role.WORKER)
    quiet_libraries()
    channels = {channel.name: channel for channel in (Twilio(settings), AfricasTalking(settings))}
    chores = Chores(services.database, services.talk.rules, conversation_seconds=settings.conversation_seconds)
    notary = Notary(services.database, settings.anchor_file)
    charging = Charging(services.database, services.talk.rules)
    statements = Statements(services.database, services.talk.rules, settings.bank_statements)
    names = NameChecks(services.database, _lookup(settings)) if settings.subscriber_api_base else _nothing

    def timed() -> None:
        chores()
        notary()

    def paying() -> int:
        return charging() + statements() + names()

    return Worker(
        services.database,
        channels,
        partial(_render, services.catalogue),
        _wait_for(services.redis),
        timed,
        paying,
    )


def _lookup(settings: Settings) -> SubscriberLookup:
    secret = settings.subscriber_client_secret.get_secret_value()
    return SubscriberLookup(settings.subscriber_api_base, settings.subscriber_client_id, secret)


def _nothing() -> int:
    """Where names are not checked, there is nothing to ask."""
    return 0


def _rules(settings: Settings, database: Database, seal: Seal) -> Rules:
    attempts = Attempts(database)
    laws = law.load()
    return Rules(
        country=settings.country,
        currency=settings.currency,
        zone=settings.time_zone,
        gift_lapse_seconds=settings.gift_lapse_seconds,
        code_seconds=settings.code_seconds,
        phone_bill=CarrierBill(settings.phone_bill_limit_minor),
        rails=rails.build(settings),
        name_checks=bool(settings.subscriber_api_base),
        laws=laws,
        law_pack=laws.pack_for(settings.law or settings.country),
        sms_provider=settings.sms_provider,
        service_code=settings.service_code,
        public_base_url=settings.public_base_url,
        code_keys=CodeKeys([("1", seal.key("redemption codes"))]),
        seal=seal,
        attempts=attempts,
        pins=Pins(database, attempts, seal.key("pin pepper")),
    )


def _record(database: Database, receipt: Receipt) -> None:
    try:
        with database.begin() as db:
            outbox.record_receipt(db, receipt)
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(NOTHING_DONE) from error


def _take_hint(database: Database, rail: str, hint: Hint) -> None:
    try:
        with database.begin() as db:
            callbacks.take(db, rail, hint)
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(NOTHING_DONE) from error


def _pay_page(database: Database, reference: str) -> str | None:
    try:
        with database.look() as db:
            return charges.page(db, reference)
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(NOTHING_DONE) from error


def _ask(database: Database) -> None:
    with database.begin() as db:
        db.execute(text("SELECT 1"))


def _render(catalogue: Catalogue, language: str, sentence: str, holes: Mapping[str, Any]) -> str:
    return catalogue.say(language, sentence, unpack(holes))


def _wait_for(client: redis.Redis) -> Callable[[float], None]:
    """Sleep until Redis says that a text waits, or the seconds have passed. Without Redis it only sleeps."""
    listener: list[redis.client.PubSub] = []

    def wait(seconds: float) -> None:
        try:
            if not listener:
                listener.append(client.pubsub(ignore_subscribe_messages=True))  # type: ignore[no-untyped-call]
                listener[0].subscribe(WAKE)
            listener[0].get_message(timeout=seconds)
        except redis.RedisError:
            listener.clear()
            time.sleep(seconds)

    return wait
