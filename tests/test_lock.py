"""The lock: requirements.txt and requirements-dev.txt pin, with hashes, what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
ASKED = [("requirements.txt", line) for line in PROJECT["project"]["dependencies"]]
ASKED += [("requirements-dev.txt", line) for line in PROJECT["dependency-groups"]["dev"]]

HASH = re.compile(r"--hash=(\S+)")


def entries(lock: str) -> list[str]:
    """Each pinned package as one line: `name==version ; marker --hash=... --hash=...`."""
    text = re.sub(r"^ *#.*\n", "", (REPOSITORY / lock).read_text(), flags=re.MULTILINE)
    return text.replace("\\\n", " ").splitlines()


def pins(lock: str) -> dict[str, set[str]]:
    """The pinned versions of each package: more than one where they differ by Python or system."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        pin = Requirement(HASH.sub("", entry))
        (specifier,) = pin.specifier
        assert specifier.operator == "==", entry
        found.setdefault(canonicalize_name(pin.name), set()).add(specifier.version)
    return found


@pytest.mark.parametrize(("lock", "asked"), ASKED)
def test_every_dependency_is_pinned_at_a_version_that_was_asked_for(lock: str, asked: str) -> None:
    requirement = Requirement(asked)
    versions = pins(lock).get(canonicalize_name(requirement.name), set())
    assert versions, f"{lock} lacks {asked}"
    assert all(requirement.specifier.contains(version) for version in versions), versions


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_nothing_else_is_in_the_lock(lock: str) -> None:
    for entry in entries(lock):
        hashes = HASH.findall(entry)
        assert hashes, f"{entry} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), entry


def test_both_files_pin_what_they_share_at_the_same_version() -> None:
    runtime, development = (pins(lock) for lock in LOCKS)
    shared = runtime.keys() & development.keys()
    assert shared
    assert {name: runtime[name] for name in shared} == {name: development[name] for name in shared}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_place_to_download_from(lock: str) -> None:
    assert "://" not in (REPOSITORY / lock).read_text()
