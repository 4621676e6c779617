"""`bin/giftline contents`: the catalogue of what gifts are packed with (docs/contents.md)."""

from pathlib import Path
from typing import get_args

import click

from bot import cli_open
from circulation import contents as catalogue
from contents import outside, renditions, shipped
from contents.outside import NotServed
from contents.renditions import Kind, Rendition, Unusable
from storage.database import Database
from storage.roles import Role


def load_shipped(database: Database, *, again: bool = False) -> int:
    """Put every piece that ships and is not in the catalogue into it (`again`: every one), and return how many.

    Each is a transaction of its own: making the renditions takes longer than one may stand idle.
    """
    with database.begin() as db:
        known = {content.key for content in catalogue.every(db)}
    wanted = [piece for piece in shipped.pieces() if again or piece.key not in known]
    for piece in wanted:
        made = shipped.renditions(piece.key)
        with database.begin() as db:
            catalogue.import_piece(db, key=piece.key, kind=piece.kind, title=piece.title, source="", renditions=made)
    return len(wanted)


@click.group()
def contents() -> None:
    """Cards, characters, ringtones, music and songs that gifts are packed with."""


@contents.command("list")
def list_command() -> None:
    """List the catalogue: kind, key, title, and the provider a piece came from."""
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        found = catalogue.every(db)
    for content in found:
        notes = [f"from {content.source}" if content.source else "", "withdrawn" if content.withdrawn else ""]
        line = f"{content.kind:<10}{content.key:<32}{content.title:<32}{', '.join(filter(None, notes))}"
        click.echo(line.rstrip())
    click.echo(f"{sum(not content.withdrawn for content in found)} pieces are offered")


@contents.command()
@click.option("--again", is_flag=True, help="Make the renditions of those that are loaded anew.")
def load(again: bool) -> None:
    """Load the pieces that ship with the product; those that are loaded stay as they are."""
    with cli_open.database(Role.CONSOLE) as database:
        loaded = load_shipped(database, again=again)
    click.echo(f"Loaded {loaded} pieces.")


@contents.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kind", required=True, type=click.Choice(get_args(Kind)), help="What it is.")
@click.option("--title", required=True, help="What people read, at most 20 characters.")
@click.option("--key", help="Its name in the catalogue; that of the file when left out.")
def import_command(file: Path, kind: Kind, title: str, key: str | None) -> None:
    """Import a picture (JPEG, PNG, GIF) or sound (MP3, WAV, AMR, MIDI, RTTTL) from FILE; a key that is known is replaced."""
    try:
        with file.open("rb") as opened:
            body = opened.read(renditions.MOST_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file.name} cannot be read: {error.strerror}") from error
    _import(key or file.stem.lower(), kind, title, "", body)


@contents.command()
@click.argument("provider")
@click.argument("key")
def fetch(provider: str, key: str) -> None:
    """Fetch the piece KEY from PROVIDER, one of CONTENT_PROVIDERS, and import it as PROVIDER-KEY."""
    try:
        known = outside.providers(cli_open.settings().content_providers)
        if provider not in known:
            raise click.ClickException(f"CONTENT_PROVIDERS names no {provider}.")
        listed = next((one for one in outside.listing(known[provider]) if one.key == key), None)
        if listed is None:
            raise click.ClickException(f"{provider} lists no {key}.")
        fetched = outside.fetch(known[provider], key)
    except (NotServed, ValueError) as error:
        raise click.ClickException(str(error)) from error
    _import(f"{provider}-{key}", listed.kind, listed.title, provider, fetched.body, fetched.mime)


@contents.command()
@click.argument("key")
def withdraw(key: str) -> None:
    """Offer the piece KEY no longer; gifts that are packed with it keep it."""
    with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
        if not catalogue.withdraw(db, key):
            raise click.ClickException(f"No piece {key} is offered.")
    click.echo(f"{key} is no longer offered.")


def _import(key: str, kind: Kind, title: str, source: str, body: bytes, mime: str = "") -> None:
    if not outside.is_key(key):
        raise click.ClickException("A key has at most 60 small letters, digits and hyphens.")
    if not outside.is_title(title):
        raise click.ClickException(f"A title has 1 to {outside.LONGEST_TITLE} characters in one line.")
    try:
        made: list[Rendition] = renditions.from_file(kind, body, mime)
        with cli_open.database(Role.CONSOLE) as database, database.begin() as db:
            catalogue.import_piece(db, key=key, kind=kind, title=title.strip(), source=source, renditions=made)
    except (Unusable, catalogue.OtherKind) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Imported {key}, {len(made)} renditions.")
