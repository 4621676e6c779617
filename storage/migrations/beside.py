"""How a migration runs: the SQL file beside its Python file, as it stands; through the driver, which reads no placeholders."""

from pathlib import Path

from alembic import op


def run(migration: str) -> None:
    """Run the SQL file with the name of this Python file (its `__file__`)."""
    op.get_bind().connection.cursor().execute(Path(migration).with_suffix(".sql").read_text())


def refuse() -> None:
    """A migration is never undone: a ledger is not taken back, and money has moved."""
    raise RuntimeError("migrations cannot be undone: the ledger is append-only")
