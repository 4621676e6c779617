"""Bank statements from a folder: whatever the bank leaves there is imported, and put beside: `imported` or `refused`.

A file is whole when it has its final name (banks write under another and rename). A refused one is left unchanged, with a
report that names line and fault; nothing of it was imported.
"""

from pathlib import Path

import structlog

from circulation import bank
from circulation.bank import Imported
from circulation.rules import Rules
from payments import bank_statement, callbacks
from payments.bank_statement import StatementRefused
from storage.database import Database

SUFFIXES = frozenset({".xml", ".csv"})

log = structlog.get_logger(__name__)


class Statements:
    """The folder of one deployment; several workers may look at once, each statement counts once."""

    def __init__(self, database: Database, rules: Rules, folder: Path | None) -> None:
        self._database = database
        self._rules = rules
        self._folder = folder

    def __call__(self) -> int:
        """Import every statement that lies there. Returns how many were imported or refused."""
        if self._folder is None or not self._folder.is_dir():
            return 0
        waiting = sorted(path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        return sum(self._take(path) for path in waiting)

    def _take(self, path: Path) -> bool:
        """Whether this worker imported or refused it."""
        try:
            self._import(path)
        except FileNotFoundError:
            return False  # another worker was quicker
        except OSError as error:
            with self._database.begin() as db:
                callbacks.incident(db, "bank statement cannot be read", path.name, {"fault": type(error).__name__})
            return False
        return True

    def _import(self, path: Path) -> None:
        try:
            imported = import_file(self._database, self._rules, path)
        except StatementRefused as refused:
            with self._database.begin() as db:
                callbacks.incident(db, "bank statement refused", path.name, {"faults": len(refused.faults)})
            log.error("statement.refused", faults=len(refused.faults))
            report = "".join(f"line {fault.line}: {fault.what}\n" for fault in refused.faults)
            there = _put(path, "refused")
            there.with_name(f"{there.name}.txt").write_text(report)
        else:
            log.info("statement.imported", lines=imported.lines, matched=imported.matched, unmatched=imported.unmatched)
            _put(path, "imported")


def import_file(database: Database, rules: Rules, path: Path) -> Imported:
    """Import one statement, whole or not at all. Raises StatementRefused or OSError."""
    statement = bank_statement.read(path.name, path.read_bytes())
    with database.begin() as db:
        return bank.import_statement(db, rules, statement)


def _put(path: Path, where: str) -> Path:
    """Move a file out of the way; one of the same name that is there already is kept, under a number this one gets.

    Raises FileNotFoundError when somebody else has moved it.
    """
    folder = path.parent / where
    folder.mkdir(exist_ok=True)
    target, count = folder / path.name, 1
    while target.exists():
        target, count = folder / f"{path.stem}.{count}{path.suffix}", count + 1
    return path.rename(target)
