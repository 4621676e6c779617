"""`bin/giftline gifts`: a company's gift list checked, loaded and followed line by line."""

import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn
from uuid import NAMESPACE_URL, uuid4, uuid5

import click

from bot import cli_open
from bot.cli_open import amount
from circulation import gift_lists, members
from circulation.gift_list_reading import Fault, GiftLines, GiftListRefused, read
from circulation.members import Member
from circulation.msisdn import BadNumber, parse_msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments.bank_reference import creditor_reference, shown
from payments.bank_transfer import BankTransfer
from storage.database import Database
from storage.roles import Role

MOST_SHOWN = 50
"""Faults or warnings printed; of the others only how many there are."""

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def gifts() -> None:
    """Gift lists of companies: a CSV file with one gift in each line (docs/gift-lists.md)."""


@gifts.command()
@_FILE
def check(file: Path) -> None:
    """Read FILE and compare it with the catalogue; nothing is loaded. Exit code 1 when it cannot be used."""
    with cli_open.product() as services:
        rules = services.talk.rules
        found = _read(file, rules)
        try:
            with services.database.begin() as db:
                gift_lists.check(db, rules, found.lines, None)
        except GiftListRefused as refused:
            _refuse(refused)
    click.echo(f"{len(found.lines):,} gifts can be loaded.")


@gifts.command()
@_FILE
@click.option("--company", required=True, metavar="MSISDN", help="The company's phone; it is a member.")
@click.option("--rail", default="bank", show_default=True, help="How the company pays.")
@click.option("--again", is_flag=True, help="Load a file that was loaded for this company before as another list.")
def load(file: Path, company: str, rail: str, again: bool) -> None:
    """Load FILE, all of it or nothing, and order its price from the company. Nothing is sent before it is paid."""
    with cli_open.product() as services:
        rules = services.talk.rules
        giver = _company(services.database, rules, company)
        found = _read(file, rules)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        same = uuid5(NAMESPACE_URL, f"giftline:gift list file:{giver.id}:{digest}")
        list_id = str(uuid4() if again else same)
        try:
            with services.database.begin() as db:
                known = gift_lists.get(db, list_id)
                loaded = known or gift_lists.load(
                    db, rules, list_id=list_id, company=giver, lines=found.lines, rail=rail
                )
        except GiftListRefused as refused:
            _refuse(refused)
        except Refusal as refusal:
            raise click.ClickException(f"{rail} cannot take this payment ({refusal.code}).") from refusal
    if known:
        click.echo(f"This file was loaded before and is {loaded.state}. To load it once more use --again.")
    total = f"{loaded.total.currency} {amount(loaded.total.amount_minor, loaded.total.currency)}"
    click.echo(f"Reference {loaded.reference}: {loaded.lines:,} gifts for {total}, fees included.")
    gateway = rules.rails.get(rail)
    if isinstance(gateway, BankTransfer) and loaded.state == "ordered":
        click.echo(f"Pay {total} to {gateway.account_shown}, reference {shown(creditor_reference(loaded.reference))}.")


@gifts.command()
@click.argument("reference")
def status(reference: str) -> None:
    """Print what became of each line of a list as CSV: line, phone, state, reason, serial. A summary goes to stderr."""
    states: Counter[str] = Counter()
    with cli_open.database(Role.CONSOLE) as database, cli_open.reading(database) as db:
        found = gift_lists.find(db, reference.upper())
        if found is None:
            raise click.ClickException("There is no gift list with that reference.")
        for row in gift_lists.status_csv(db, found.id):
            click.echo(row, nl=False)
            states[row.split(",")[2]] += 1
    del states["state"]  # the heading
    counted = ", ".join(f"{count:,} {state}" for state, count in states.most_common())
    click.echo(f"{found.reference} is {found.state}: {counted}.", err=True)


def _read(file: Path, rules: Rules) -> GiftLines:
    try:
        found = read(file.read_bytes(), country=rules.country, currency=rules.currency)
    except OSError as error:
        raise click.ClickException(f"{file.name} cannot be read: {error.strerror}") from error
    except GiftListRefused as refused:
        _refuse(refused)
    _print("warning", found.repeated)
    return found


def _company(database: Database, rules: Rules, typed: str) -> Member:
    try:
        msisdn = parse_msisdn(typed, rules.country)
    except BadNumber as refused:
        raise click.ClickException(refused.sentence.format(**refused.holes)) from refused
    with database.begin() as db:
        company = members.find(db, msisdn)
    if company is None or not company.joined:
        raise click.ClickException("The company's phone is no member: join from that phone first.")
    return company


def _refuse(refused: GiftListRefused) -> NoReturn:
    _print("fault", refused.faults)
    click.echo("Nothing was loaded.", err=True)
    sys.exit(1)


def _print(kind: str, found: list[Fault]) -> None:
    for one in found[:MOST_SHOWN]:
        click.echo(f"line {one.line}: {kind}: {one.what}", err=True)
    if len(found) > MOST_SHOWN:
        click.echo(f"and {len(found) - MOST_SHOWN:,} more", err=True)
