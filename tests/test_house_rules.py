"""Rules of the house that a reader would otherwise have to remember. Import rules stand in pyproject.toml; what
the README must say, in test_docs.py."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.transcript import FOLDER

ROOT = Path(__file__).parent.parent
PRODUCT = ("bot", "circulation", "contents", "flows", "payments", "phones", "storage", "webhooks")
DOCUMENTED = ("bot", "circulation", "contents", "payments", "storage", "webhooks")
CODE = {".py", ".sql", ".html", ".js", ".css"}
TEXT = {*CODE, ".md", ".txt", ".toml", ".po", ".svg", ".yml", ".yaml", ""}
NOT_OURS = {"var", "node_modules", "__pycache__"}
LONGEST_FILE = 400
"""Lines. A file longer than this does more than one thing."""

ROW = re.compile(r"\b(?:K1?[0-9]|B1?[0-9]|N[1-8])\b")
"""A row of the list of what the three original systems do: carrier, buyer and recipient, points."""
FIRST_ROWS = {"K1", "K2", "K3", "K4", "K5", "K6", "K7", "K10", "K13", "B8", "B9"}
"""The rows that work from the first day."""

REGISTRIES = [".".join(name) for name in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))]
MACHINE = re.compile(r"(?<![\w.$}])/(?:work|root|home|Users)/\w|" + "|".join(map(re.escape, REGISTRIES)))
"""A path of somebody's machine, or a registry's host: which one is used is each installer's own setting."""

TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))


def test_no_file_names_a_machine_or_a_registry() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _files(ROOT)
        if path.suffix in TEXT and path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if MACHINE.search(line)
    ]

    assert named == []


def test_no_file_of_code_is_too_long() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in _code()}

    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_whatever_other_modules_may_call_says_what_it_promises() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in _code()
        if path.relative_to(ROOT).parts[0] in DOCUMENTED and path.suffix == ".py" and "migrations" not in path.parts
        for node in _public(ast.parse(path.read_text("utf-8")))
        if not ast.get_docstring(node)
    ]

    assert silent == []


def test_every_module_says_what_it_promises() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _code()
        if path.suffix == ".py"
        and path.read_text("utf-8")
        and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert silent == []


def test_code_that_ships_names_no_row_of_the_list() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _code()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if ROW.search(line)
    ]

    assert named == []


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_begins_with_what_it_shows_and_the_rows_it_stands_for(path: Path) -> None:
    opening = re.match(r"(?:# .*\n)+", path.read_text("utf-8"))

    assert opening
    assert ROW.findall(opening[0])


def test_every_row_that_works_has_a_transcript() -> None:
    shown = {row for path in TRANSCRIPTS for row in ROW.findall(path.read_text("utf-8"))}

    assert shown >= FIRST_ROWS


def _code() -> Iterator[Path]:
    return (path for folder in PRODUCT for path in _files(ROOT / folder) if path.suffix in CODE)


def _files(folder: Path) -> Iterator[Path]:
    """Every file of ours: no caches, no data, nothing hidden but the CI's own folder."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in NOT_OURS and (path.name == ".ci" or not path.name.startswith(".")):
            yield from _files(path)
        elif path.is_file():
            yield path


def _public(module: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The classes and functions of a module whose names do not begin with an underscore, and such a class's methods.

    A protocol's methods are somebody else's: what they promise stands there.
    """
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not any(ast.unparse(base) == "Protocol" for base in node.bases):
                yield from (
                    part for part in node.body if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")
                )
