"""`bin/giftline bank`, `refunds` and `incidents`: what the operator does by hand about money."""

import json
import sys
from pathlib import Path

import click

from bot import cli_open
from bot.cli_open import amount
from bot.statements import import_file
from circulation import waiting
from payments.bank_reference import shown
from payments.bank_statement import StatementRefused
from storage.roles import Role


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def bank(file: Path) -> None:
    """Import a bank statement (camt.053 or CSV), whole or not at all: credits pay orders, debits close refunds and payouts.

    One that cannot be taken in is refused with every fault and its line, and exit code 1. Importing again does no harm.
    """
    with cli_open.product() as services:
        try:
            imported = import_file(services.database, services.talk.rules, file)
        except StatementRefused as refused:
            for fault in refused.faults:
                click.echo(f"line {fault.line}: {fault.what}", err=True)
            click.echo("Nothing was imported.", err=True)
            sys.exit(1)
        except OSError as error:
            raise click.ClickException(f"{file.name} cannot be read: {error.strerror}") from error
    click.echo(
        f"Imported {imported.lines} lines: {imported.matched} paid orders, {imported.refunds} closed refunds,"
        f" {imported.payouts} closed payouts, {imported.unmatched} match nothing, {imported.known} were known."
    )


@click.command()
def refunds() -> None:
    """List the refunds that are not paid yet, oldest first. Those by bank you pay: to the account, with the reference shown."""
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        owed = waiting.refunds(db)
    for one in owed:
        sum_ = f"{amount(one.amount.amount_minor, one.amount.currency)} {one.amount.currency}"
        by_hand = f"  to {one.account or 'account unknown'}  {shown(one.bank_reference)}" if one.bank_reference else ""
        age = f"{one.age_days:.1f} days"
        click.echo(f"{one.reference:<10}{one.rail:<17}{one.state:<9}{sum_:>18}{age:>12}  {one.payee!r}{by_hand}")
    click.echo(f"{len(owed)} refunds are not paid yet")


@click.group(invoke_without_command=True)
@click.pass_context
def incidents(context: click.Context) -> None:
    """List what needs looking at, oldest first."""
    if context.invoked_subcommand is not None:
        return
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        found = waiting.incidents(db)
    for one in found:
        facts = json.dumps(one.facts) if one.facts else ""
        click.echo(f"{one.id:>6} {one.age_days:>6.1f} days  {one.kind}: {one.about}  {facts}".rstrip())
    click.echo(f"{len(found)} incidents are open")


@incidents.command()
@click.argument("incident", type=int)
def close(incident: int) -> None:
    """Close an incident that was looked at."""
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        if not waiting.close_incident(db, incident):
            raise click.ClickException(f"no incident {incident} is open")
    click.echo(f"Incident {incident} is closed.")
