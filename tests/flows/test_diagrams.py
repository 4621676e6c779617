"""The drawings in docs/flows are those of the flows that run."""

from pathlib import Path

from bot.diagrams import page, write
from bot.dialog import Ask, Detour, End, Flow, Go, Registry, move
from flows import EVERY

DOCS = Path(__file__).parent.parent.parent / "docs" / "flows"


class Small(Flow):
    title = "Small"
    steps = [
        Ask("note", 'Say "{what}".', parse=str),
        Detour("pin", flow="pin"),
        End("end", "Done."),
        Go("home", flow="menu"),
    ]
    moves = [
        move("open", "start", "note"),
        move("answered", "note", "pin", when="needed", do="keep", refused="home"),
        move("answered", "note", "end", unless="sad"),
        move("chosen", "pin", "end"),
    ]


def test_what_stands_in_the_docs_is_what_the_code_draws(tmp_path: Path) -> None:
    drawn = {path.name: path.read_text() for path in write(EVERY, tmp_path)}
    kept = {path.name: path.read_text() for path in DOCS.glob("*.md")}
    assert kept == drawn, "run bin/giftline diagrams"


def test_every_step_and_row_is_drawn() -> None:
    drawing = page(Small).partition("stateDiagram-v2\n")[2].partition("```")[0]
    assert [line.strip() for line in drawing.splitlines()] == [
        "state \"note<br/>Say '{what}'.\" as note_",
        'state "pin<br/>through pin and back" as pin_',
        'state "end<br/>Done." as end_',
        'state "home<br/>goes to menu" as home_',
        "[*] --> note_ : open",
        "note_ --> pin_ : answered [needed] / keep",
        "note_ --> home_ : answered [refused]",
        "note_ --> end_ : answered [not sad]",
        "pin_ --> end_ : chosen",
        "end_ --> [*]",
        "home_ --> [*]",
    ]


def test_the_page_of_a_flow_that_is_gone_goes_too(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("# Old")
    assert write(Registry({"small": Small}), tmp_path) == [tmp_path / "small.md"]
    assert [path.name for path in tmp_path.iterdir()] == ["small.md"]
