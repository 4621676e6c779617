"""The pages of docs/ as tests read them: sections, tables, and what stands between backticks."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same or a higher level."""
    level = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def tables(part: str) -> list[list[list[str]]]:
    """The tables of a part of a page, each as its rows without head and ruler."""
    blocks = re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]] for block in blocks
    ]


def rows(part: str) -> list[list[str]]:
    """The rows of every table in a part of a page, without heads and rulers."""
    return [row for table in tables(part) for row in table]


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
