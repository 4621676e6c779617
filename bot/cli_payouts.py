"""`bin/giftline payouts`: stores are paid what they have earned. The operator pays by bank; the statement says that it left."""

from uuid import uuid4

import click

from bot import cli_open
from bot.cli_open import amount
from circulation import payouts as store_payouts
from circulation.money import Money
from circulation.payouts import Payout
from circulation.refusals import Refusal
from payments.bank_reference import creditor_reference, found_in, shown
from storage.database import Database
from storage.roles import Role


@click.group(invoke_without_command=True)
@click.pass_context
def payouts(context: click.Context) -> None:
    """List what each store is owed, or owes us, and the payouts on their way, oldest first."""
    if context.invoked_subcommand is not None:
        return
    with cli_open.database(Role.CONSOLE) as database, cli_open.reading(database) as db:
        owed, on_their_way = store_payouts.owed(db), store_payouts.in_transit(db)
    for one in owed:
        minor = one.amount.amount_minor
        what = "is owed to it" if minor > 0 else "is owed to us"
        click.echo(f"{one.store:<32}{_sum(Money(abs(minor), one.amount.currency)):>18}  {what}")
    for payout in on_their_way:
        click.echo(f"{_line(payout)}{payout.age_days:>8.1f} days")
    click.echo(f"{len(on_their_way)} payouts are on their way")


@payouts.command()
@click.argument("store", default="")
def start(store: str) -> None:
    """Start a payout of all that STORE (its name) is owed; of every store that is owed something when left out.

    Pay each by bank with the reference shown. The statement that has the debit, sum and reference, closes it.
    """
    with cli_open.database(Role.CONSOLE) as database:
        with cli_open.reading(database) as db:
            owed = [one for one in store_payouts.owed(db) if one.amount.amount_minor > 0 and store in ("", one.store)]
        started = [payout for one in owed if (payout := _start(database, one))]
    if store and not started:
        raise click.ClickException(f"no store called {store} is owed anything")
    click.echo(f"{len(started)} payouts were started")


@payouts.command()
@click.argument("reference", nargs=-1, required=True)
def failed(reference: tuple[str, ...]) -> None:
    """Mark a payout that the bank did not pay: it is owed to the store again. REFERENCE is the one shown, or our part of it."""
    typed = " ".join(reference)
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        found = store_payouts.named(db, found_in(typed) or [typed.upper()])
        if len(found) != 1:
            raise click.ClickException("there is no payout with that reference")
        if not store_payouts.failed(db, payout_id=found[0].id):
            raise click.ClickException("a statement shows that it was paid")
    click.echo(f"The payout of {_sum(found[0].amount)} to {found[0].store} has failed.")


def _start(database: Database, one: store_payouts.Owed) -> Payout | None:
    """One transaction for each store, said when it is done. None when somebody else was quicker."""
    try:
        with database.begin() as db:
            payout = store_payouts.start(
                db, payout_id=str(uuid4()), store_id=one.store_id, currency=one.amount.currency
            )
    except Refusal:
        return None
    click.echo(_line(payout))
    return payout


def _line(payout: Payout) -> str:
    return f"{payout.store:<32}{_sum(payout.amount):>18}  {shown(creditor_reference(payout.reference))}"


def _sum(money: Money) -> str:
    return f"{amount(money.amount_minor, money.currency)} {money.currency}"
