"""`bin/giftline`: the product's command line. `bin/giftline --help` lists the commands, each explains itself."""

from pathlib import Path

import click

from bot import cli_open
from bot.cli_books import books
from bot.cli_contents import contents
from bot.cli_gifts import gifts
from bot.cli_payouts import payouts
from bot.cli_waiting import bank, incidents, refunds
from circulation.stocking import StockRefused, stock
from storage.database import migrate
from storage.roles import Role


@click.group()
def main() -> None:
    """Giftline: gift certificates on any phone.

    Commands work on DATABASE_URL; without it on the servers that bin/dev runs, or started for the moment.
    """


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database schema up to date (the Procfile's release step)."""
    with cli_open.addresses() as found:
        migrate(found.database_url)
    click.echo("The schema is up to date.")


@main.command("stock")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def stock_command(file: Path) -> None:
    """Load issuers, prices, stores and clerks from a TOML FILE (see circulation/demo/KE.toml); all of it or nothing."""
    with cli_open.database(Role.CONSOLE) as database:
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

    run(cli_open.settings(), msisdn, by_sms=sms)


@main.command()
def diagrams() -> None:
    """Draw every flow as a Mermaid diagram in docs/flows, from the same tables that run."""
    from bot.diagrams import write
    from flows import EVERY

    for path in write(EVERY, Path(__file__).parent.parent / "docs" / "flows"):
        click.echo(f"docs/flows/{path.name}")


@main.command()
def words() -> None:
    """Bring the translation catalogues up to date: new sentences are added untranslated, old ones are dropped."""
    from bot.words import update

    for language, missing in update().items():
        click.echo(f"{language}: {missing} sentences to translate")


for command in (books, bank, refunds, payouts, incidents, gifts, contents):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="bin/giftline")
