"""`bin/giftline`: the product's command line. `bin/giftline --help` lists the commands, each explains itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bot import servers
from bot.config import Settings, SettingsRefused
from circulation import books as book_keeping
from circulation.chart import ACCOUNTS
from circulation.stocking import StockRefused, stock
from storage.database import Database, migrate


@click.group()
def main() -> None:
    """Giftline: gift certificates on any phone.

    Commands work on DATABASE_URL; without it on the servers that bin/dev runs, or started for the moment.
    """


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database schema up to date (the Procfile's release step)."""
    with _database_url() as url:
        migrate(url)
    click.echo("The schema is up to date.")


@main.command()
def books() -> None:
    """Print the trial balance and check every invariant; exit code 1 when one does not hold."""
    with _database() as database, database.begin() as db:
        state = book_keeping.read(db)
    click.echo(f"{'account':<34}{'currency':>9}{'debit':>20}{'credit':>20}")
    for total in state.totals:
        name = f"{total.code} {ACCOUNTS.get(total.code, '')}"
        click.echo(f"{name:<34}{total.currency:>9}{_amount(total.debit_minor):>20}{_amount(total.credit_minor):>20}")
    for currency in sorted({total.currency for total in state.totals}):
        debit = sum(total.debit_minor for total in state.totals if total.currency == currency)
        credit = sum(total.credit_minor for total in state.totals if total.currency == currency)
        click.echo(f"{'total':<34}{currency:>9}{_amount(debit):>20}{_amount(credit):>20}")
    click.echo()
    for proof in state.proofs:
        click.echo(f"{'ok  ' if proof.figure == 0 else 'FAIL'} {proof.figure:>8}  {proof.name}")
    if not state.in_order:
        click.echo("\nThe books are not in order.")
        sys.exit(1)
    click.echo("\nThe books are in order.")


@main.command("stock")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def stock_command(file: Path) -> None:
    """Load issuers, prices, stores and clerks from a TOML FILE (see circulation/demo/KE.toml); all of it or nothing."""
    with _database() as database:
        try:
            with database.begin() as db:
                stocked = stock(db, file)
        except StockRefused as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"Loaded {stocked.issuers} issuers, {stocked.prices} prices, {len(stocked.stores)} stores.")


@main.command()
@click.argument("msisdn", default="+254712000001")
@click.option("--sms", is_flag=True, help="Text instead of dialling.")
def chat(msisdn: str, sms: bool) -> None:
    """A phone in the terminal, speaking to the running bin/dev through its public doors. MSISDN is whose phone it is."""
    from phones.terminal import run

    run(_settings(), msisdn, by_sms=sms)


@main.command()
def diagrams() -> None:
    """Draw every flow as a Mermaid diagram in docs/flows, from the same tables that run."""
    from bot.diagrams import write
    from flows import FLOWS

    for path in write(FLOWS, Path(__file__).parent.parent / "docs" / "flows"):
        click.echo(f"docs/flows/{path.name}")


@main.command()
def words() -> None:
    """Bring the translation catalogues up to date: new sentences are added untranslated, old ones are dropped."""
    from bot.words import update

    for language, missing in update().items():
        click.echo(f"{language}: {missing} sentences to translate")


def _amount(minor: int) -> str:
    """Minor units with a point before the last two digits, for columns."""
    return f"{minor // 100:,}.{minor % 100:02d}"


def _settings() -> Settings:
    try:
        return Settings.load()
    except SettingsRefused as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _database_url() -> Iterator[str]:
    settings = _settings()
    try:
        with servers.in_use(settings) as addresses:
            yield addresses.database_url
    except (servers.NotInstalled, servers.CannotStart) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _database() -> Iterator[Database]:
    """The migrated database."""
    with _database_url() as url:
        migrate(url)
        database = Database(url, connections=1)
        try:
            yield database
        finally:
            database.close()


if __name__ == "__main__":
    main(prog_name="bin/giftline")
