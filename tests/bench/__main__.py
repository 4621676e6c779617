"""`bin/bench [NAME...]`: measures, and prints one table of ratios. It fails only when something is wrong."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import click

from tests.bench import ledger, machine, outbox, site, turns
from tests.bench.measure import Result, Size, Wrong
from tests.bench.site import Site

Run = Callable[[Site, Size], list[Result]]

MEASURES: Mapping[str, tuple[Run, Size]] = MappingProxyType(
    {
        "menu": (turns.fixed_screens, Size(5, 4000)),
        "browse": (turns.browsing, Size(5, 2400)),
        "gift": (turns.gifts, Size(5, 480)),
        "ledger": (ledger.posting, Size(5, 3200)),
        "machine": (machine.moves, Size(5, 20_000)),
        "outbox": (outbox.draining, Size(5, 10_000)),
        "busy": (ledger.busy_account, Size(5, 3200)),
    }
)
QUICK = 320
ROW = "{:<8} {:<36} {:>8} {:<13} {:<37} {:>8}  {:>6}  {:<13} {}"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--quick", is_flag=True, help="Only see whether it works: the figures mean nothing.")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure what turns cost beside the least that could do the same on this machine; all of it, or what is named."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops the servers on its way out
    load = os.getloadavg()[0]
    click.echo(
        f"{os.cpu_count()} cores, load {load:.1f} before; fsync on. Ratios of this run; the rest is this machine's."
    )
    click.echo(ROW.format("name", "ours", "", "", "beside", "", "ratio", "goal", "holds"))
    with site.opened() as place:
        for name in names or MEASURES:
            run, size = MEASURES[name]
            try:
                results = run(place, replace(size, rounds=1, per_round=QUICK) if quick else size)
            except Wrong as wrong:
                raise click.ClickException(f"{name}: wrong answers: {wrong}") from None
            for result in results:
                click.echo(_row(name, result))
    click.echo("Wrong answers: 0")


def _row(name: str, result: Result) -> str:
    side, bound = result.goal
    return ROW.format(
        name,
        result.what,
        _figure(result.ours),
        result.unit,
        result.against,
        _figure(result.floor),
        f"{result.ratio:.2f}",
        f"{side} {bound}",
        "yes" if result.holds else "no",
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    main()
