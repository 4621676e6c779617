"""The composition root: joins everything; nobody imports it but the commands that start a process."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import redis
from flask import Flask

from bot import filing, rails
from bot.bounces import Bounces
from bot.catalogue import Catalogue
from bot.channels import Channel
from bot.channels.africastalking import AfricasTalking
from bot.channels.email import Smtp
from bot.channels.kannel import Kannel
from bot.channels.mail_addresses import MailAddresses
from bot.channels.twilio import Twilio
from bot.channels.twilio_voice import TwilioVoice
from bot.charging import Charging
from bot.chores import Chores
from bot.config import Settings
from bot.enclosing import enclosing
from bot.gift_page import GiftPages
from bot.held_back import HeldBack
from bot.logs import quiet_libraries
from bot.notary import Notary
from bot.pacing import Pace, rates
from bot.polling import Polling
from bot.rescue import Rescue, rescue_now
from bot.sealing import Seal
from bot.services import Services
from bot.showing import Setting
from bot.smpp import Gateway
from bot.smpp_memory import Memory
from bot.statements import Statements
from bot.subscribers import NameChecks, SubscriberLookup
from bot.turn import take_turn
from bot.voice import Calls
from bot.withdrawn import Withdrawn
from bot.worker import Worker
from circulation import law
from circulation.attempts import Attempts
from circulation.codes import CodeKeys
from circulation.pins import Pins
from circulation.routes import Routes
from circulation.rules import Rules
from circulation.values import unpack
from flows import CALLED, FLOWS
from payments.carrier_bill import CarrierBill
from storage.conversations import WAKE, Conversations
from storage.database import Database
from storage.roles import Role
from webhooks import gifts, health, kannel, payments, sms, ussd, voice

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
        talk=Setting(FLOWS, catalogue, rules, digest_key=seal.key("agreements")),
        called=Setting(CALLED, catalogue, rules, digest_key=seal.key("agreements")),
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
    opted_out = partial(filing.opted_out, services.database)
    app.register_blueprint(
        sms.blueprint(twilio, africastalking, turn, partial(filing.record, services.database), opted_out)
    )
    app.register_blueprint(kannel.blueprint(Kannel(settings), turn, partial(filing.record, services.database)))
    app.register_blueprint(ussd.blueprint(africastalking, turn, partial(rescue_now, services)))
    app.register_blueprint(
        voice.blueprint(
            TwilioVoice(settings, twilio),
            Calls(services) if settings.voice else None,
            partial(filing.record, services.database),
        )
    )
    app.register_blueprint(
        payments.blueprint(
            {gateway.door or rail: gateway for rail, gateway in services.talk.rules.rails.items() if gateway},
            partial(filing.take_hint, services.database),
            partial(filing.pay_page, services.database),
        )
    )
    app.register_blueprint(gifts.blueprint(GiftPages(services.database, services.talk.rules, services.catalogue)))
    app.register_blueprint(
        health.blueprint({"database": partial(filing.ask, services.database), "redis": services.redis.ping})
    )
    if settings.development:
        import phones
        from phones import subscribers

        app.register_blueprint(subscribers.blueprint())
        app.register_blueprint(phones.blueprint(settings, services.redis, phones.DEMO_CAST))
    return app


def build_worker(settings: Settings, services: Services | None = None) -> Worker:
    """The worker: sends the outbox, does the chores, and is woken by Redis as soon as a text waits."""
    services = services or build_services(settings, Role.WORKER)
    quiet_libraries()
    inboxes = (Twilio(settings), AfricasTalking(settings))
    carriers: list[Channel] = [*inboxes]
    if settings.kannel_url:
        carriers.append(Kannel(settings))
    mail = _mail(settings, services.seal)
    if mail is not None:
        carriers.append(Smtp(settings.smtp_url.get_secret_value(), mail))
    channels = {channel.name: channel for channel in carriers}
    chores = Chores(services.database, services.talk.rules, conversation_seconds=settings.conversation_seconds)
    notary = Notary(services.database, settings.anchor_file)
    charging = Charging(services.database, services.talk.rules)
    statements = Statements(services.database, services.talk.rules, settings.bank_statements)
    names = NameChecks(services.database, _lookup(settings)) if settings.subscriber_api_base else _nothing
    returned = Bounces(services.database, mail, settings.email_bounces) if mail and settings.email_bounces else _nothing

    withdrawn = Withdrawn(services.database, services.talk.rules, _served(settings))
    web = replace(services, database=services.database.as_role(Role.WEB))
    rescue = Rescue(web)
    listed = [inbox for inbox in inboxes if inbox.name in services.talk.rules.routes.providers()]
    polling = Polling(web.database, listed, partial(take_turn, web))

    def timed() -> None:
        chores()
        notary()
        rescue()
        withdrawn()

    def outside() -> int:
        return charging() + statements() + names() + returned() + polling()

    return _worker(services, services.database, channels, timed, outside)


def build_smpp(settings: Settings) -> tuple[Gateway, Worker]:
    """The line to the SMSC, and the worker that sends by it: only the outbox's rows of `smpp`, and nothing else."""
    services = build_services(settings)
    quiet_libraries()
    gateway = Gateway(
        settings,
        partial(take_turn, services),
        partial(filing.record, services.database),
        Memory(services.redis, services.seal),
        partial(rescue_now, services),
        lambda words: services.seal.pseudonym(words).hex(),
    )
    database = services.database.as_role(Role.WORKER, connections=3)
    return gateway, _worker(services, database, {gateway.texts.name: gateway.texts}, lambda: None, _nothing)


def _worker(
    services: Services,
    database: Database,
    channels: Mapping[str, Channel],
    timed: Callable[[], None],
    outside: Callable[[], int],
) -> Worker:
    """A worker that sends by these channels, with the wishes, limits and routes of the deployment."""
    settings, rules = services.settings, services.talk.rules
    return Worker(
        database,
        channels,
        partial(_render, services.catalogue),
        _wait_for(services.redis),
        timed,
        outside,
        enclose=enclosing(database, rules, services.catalogue),
        held_back=HeldBack(rules),
        routes=rules.routes,
        served=_served(settings),
        pace=Pace(rates(twilio_from=settings.twilio_from)),
    )


def _served(settings: Settings) -> set[str]:
    """Every provider that a process of this deployment sends by."""
    optional = {
        "kannel": settings.kannel_url,
        "smpp": settings.smpp_host,
        "smtp": settings.smtp_url.get_secret_value(),
    }
    return {"twilio", "africastalking", *(name for name, address in optional.items() if address)}


def _mail(settings: Settings, seal: Seal) -> MailAddresses | None:
    """The addresses of our mails, where there is a mail server."""
    if not settings.smtp_url.get_secret_value():
        return None
    return MailAddresses(settings.email_from, seal.key("mail"))


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
        routes=Routes.parse(settings.routes, texts_by=settings.sms_provider),
        service_code=settings.service_code,
        public_base_url=settings.public_base_url,
        countries=frozenset((settings.countries_served or settings.country).split(",")),
        gifts_a_day=settings.gifts_a_day,
        strangers_a_day_per_prefix=settings.strangers_a_day_per_prefix,
        texts_a_day=settings.texts_a_day,
        code_keys=CodeKeys([("1", seal.key("redemption codes"))]),
        link_key=seal.key("links"),
        seal=seal,
        attempts=attempts,
        pins=Pins(database, attempts, seal.key("pin pepper")),
    )


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
