"""`bin/giftline books`: the trial balance, statements of account, reconciliation, each party's record, and the verifier."""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from bot import cli_open
from bot.cli_open import amount
from bot.reconciling import Reconciling
from circulation import books as book_keeping
from circulation import records, statements
from circulation.chart import ACCOUNTS
from circulation.reconciliation import Unmatched
from storage import seals
from storage.roles import Role

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(invoke_without_command=True)
@click.pass_context
def books(context: click.Context) -> None:
    """Print the trial balance and check every invariant; exit code 1 when one does not hold."""
    if context.invoked_subcommand is None:
        _print_books()


@books.command()
@click.argument("account")
@click.option("--since", type=DAY, help="First day (UTC); all days when left out.")
@click.option("--until", type=DAY, help="Day after the last one.")
def statement(account: str, since: datetime | None, until: datetime | None) -> None:
    """Print one account's statement: what it was, every posting, what it is. Debits are positive.

    ACCOUNT is a code, or a code and whose it is: `4020`, `1130:mpesa`, `2200:Soko Bora Westlands`, `2100:SB8457048682`.
    """
    with cli_open.database(Role.AUDITOR) as database, cli_open.reading(database) as db:
        try:
            found = statements.read(db, account, since=_day(since), until=_day(until))
        except LookupError as error:
            raise click.ClickException(str(error)) from error
    for one in found:
        click.echo(f"{one.code} {ACCOUNTS[one.code]} {one.name}".rstrip() + f", {one.currency}")
        click.echo(f"{'':<20}{'opening balance':<34}{'':>16}{amount(one.opening_minor, one.currency):>16}")
        for line in one.lines:
            when = f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
            moved, balance = amount(line.amount_minor, one.currency), amount(line.balance_minor, one.currency)
            click.echo(f"{when:<20}{line.kind:<34}{moved:>16}{balance:>16}")
        click.echo(f"{'':<20}{'closing balance':<34}{'':>16}{amount(one.closing_minor, one.currency):>16}\n")


@books.command()
@click.option("--since", type=DAY, help="First day (UTC); 7 days ago when left out.")
@click.option("--until", type=DAY, help="Day after the last one; tomorrow when left out.")
def reconcile(since: datetime | None, until: datetime | None) -> None:
    """Compare ours with each provider's word and with the bank's statement; list every unmatched line with its age.

    Exit code 1 when there is one, or when a provider could not be asked. What is younger than an hour is not judged.
    M-Pesa and MTN MoMo list no payments: what somebody paid them unasked is on their own statements alone.
    """
    today = datetime.now(UTC).date()
    with cli_open.product() as services:
        found = Reconciling(services.database, services.talk.rules)(
            _day(since) or today - timedelta(days=7), _day(until) or today + timedelta(days=1)
        )
    for rail, (charges, refunds) in found.compared.items():
        click.echo(f"{rail}: {charges} charges and {refunds} refunds compared with the provider")
    for rail in found.silent:
        click.echo(f"{rail}: the provider could not be asked")
    _print_unmatched(found.unmatched)
    if found.unmatched or found.silent:
        sys.exit(1)


@books.command()
@click.argument("party", default="")
@click.option(
    "--ledger", "from_ledger", is_flag=True, help="The ledger's record of the same, instead of the party's own."
)
def export(party: str, from_ledger: bool) -> None:
    """Print one party's own record as CSV; without PARTY, list them.

    PARTY is `manager`, `operator`, `bank`, `settlement:<rail>` or `store:<name>`.
    """
    with cli_open.database(Role.AUDITOR) as database, cli_open.reading(database) as db:
        try:
            if not party:
                lines = [f"{name}\n" for name in records.parties(db)]
            else:
                lines = list(records.to_csv(records.ledger(db, party) if from_ledger else records.own(db, party)))
        except records.UnknownParty as error:
            raise click.ClickException(str(error)) from error
    for line in lines:
        click.echo(line, nl=False)


@books.command()
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
def compare(first: Path, second: Path) -> None:
    """Compare two exported records; exit code 1 when a transaction is missing in one, or has another sum."""
    both = [_record(path) for path in (first, second)]
    differences = records.compare(*both)
    for one in differences:
        sums = [
            "missing" if minor is None else amount(minor, one.currency) for minor in (one.first_minor, one.second_minor)
        ]
        click.echo(f"{one.transaction:<38}{one.currency:>5}{sums[0]:>18}{sums[1]:>18}")
    click.echo(f"{len(both[0])} and {len(both[1])} lines, {len(differences)} differences")
    if differences:
        sys.exit(1)


def _record(path: Path) -> list[records.Entry]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return records.from_csv(lines)
    except (ValueError, UnicodeDecodeError) as error:
        why = "it is no UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise click.ClickException(f"{path.name}: {why}") from error


@books.command()
@click.option("--anchors", type=click.Path(dir_okay=False, path_type=Path), help="File of anchors; else ANCHOR_FILE.")
def verify(anchors: Path | None) -> None:
    """Recompute the journal's chain under the auditor's rights and name the first altered row; exit code 1 when there is one."""
    file = anchors or cli_open.settings().anchor_file
    if file is None or not file.exists():
        click.echo("No anchors were found: the chain is compared with the journal alone.", err=True)
    try:
        kept = seals.anchors(file) if file and file.exists() else []
    except (OSError, seals.AnchorsUnreadable) as error:
        raise click.ClickException(f"the anchors cannot be read: {error}") from error
    with cli_open.database(Role.AUDITOR) as database, cli_open.reading(database) as db:
        verdict = seals.verify(db, kept)
    click.echo(str(verdict))
    if not verdict.ok:
        sys.exit(1)


def _print_books() -> None:
    with cli_open.database(Role.AUDITOR) as database, cli_open.reading(database) as db:
        state = book_keeping.read(db)
    click.echo(f"{'account':<40}{'currency':>9}{'debit':>20}{'credit':>20}")
    for total in state.totals:
        name = f"{total.code} {ACCOUNTS.get(total.code, '')}"
        _print_total(name, total.currency, total.debit_minor, total.credit_minor)
    for currency in sorted({total.currency for total in state.totals}):
        of_it = [total for total in state.totals if total.currency == currency]
        _print_total("total", currency, sum(one.debit_minor for one in of_it), sum(one.credit_minor for one in of_it))
    click.echo()
    for proof in state.proofs:
        click.echo(f"{'ok  ' if proof.figure == 0 else 'FAIL'} {proof.figure:>8}  {proof.name}")
    if not state.in_order:
        click.echo("\nThe books are not in order.")
        sys.exit(1)
    click.echo("\nThe books are in order.")


def _print_total(name: str, currency: str, debit_minor: int, credit_minor: int) -> None:
    click.echo(f"{name:<40}{currency:>9}{amount(debit_minor, currency):>20}{amount(credit_minor, currency):>20}")


def _print_unmatched(unmatched: Sequence[Unmatched]) -> None:
    for one in unmatched:
        age = f"{one.age_days:.1f} days"
        sum_ = f"{amount(one.amount.amount_minor, one.amount.currency)} {one.amount.currency}" if one.amount else ""
        click.echo(f"{one.where:<16}{one.what:<44}{one.reference:<38}{sum_:>18}{age:>12}")
    click.echo(f"{len(unmatched)} unmatched lines")


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
