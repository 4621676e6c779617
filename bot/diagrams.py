"""Every flow drawn from the tables that run: one page each in docs/flows, with a Mermaid state diagram.

A page never disagrees with the code: it is made by `bin/giftline diagrams`, and a test compares them.
"""

import inspect
from pathlib import Path

from bot.dialog import START, Detour, End, Flow, Go, Move, Registry, Step

PAGE = """# {title}

{about}

```mermaid
stateDiagram-v2
{drawing}
```

Drawn by `bin/giftline diagrams` from `{source}`. A row reads: what is heard [on condition] / what is done.
"""


def write(flows: Registry, folder: Path) -> list[Path]:
    """Write one page per flow into `folder`, in menu order; pages of flows that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / f"{name}.md": page(flow) for name, flow in flows.items()}
    for old in set(folder.glob("*.md")) - set(pages):
        old.unlink()
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    return list(pages)


def page(flow: type[Flow]) -> str:
    """The page of one flow: its title, what its module says about it, and the diagram of its steps and moves."""
    module = inspect.getmodule(flow)
    headline, _, example = (inspect.getdoc(module) or flow.title).partition("\n\n")
    about = f"{headline}\n\n```text\n{example}\n```" if example else headline
    lines = [
        *(_state(step) for step in flow.steps),
        *(_arrow(row) for row in flow.moves),
        *(f"{_id(step.name)} --> [*]" for step in flow.steps if isinstance(step, End | Go)),
    ]
    source = flow.__module__.replace(".", "/") + ".py"
    return PAGE.format(title=flow.title, about=about, drawing="\n".join(f"    {line}" for line in lines), source=source)


def _state(step: Step) -> str:
    """A step with what it says; quotation marks would end Mermaid's text."""
    match step:
        case Go(flow=flow):
            says = f"{step.name}<br/>goes to {flow}"
        case Detour(flow=flow):
            says = f"{step.name}<br/>through {flow} and back"
        case _:
            says = f"{step.name}<br/>{step.sentence}" if step.sentence else step.name
    return f'state "{says.replace(chr(34), chr(39))}" as {_id(step.name)}'


def _arrow(row: Move) -> str:
    condition = row.when or (f"not {row.unless}" if row.unless else "")
    label = f"{row.trigger} [{condition}]" if condition else row.trigger
    label = f"{label} / {row.do}" if row.do else label
    arrows = [f"{_id(row.at)} --> {_id(row.to)} : {label}"]
    if row.refused:
        arrows.append(f"{_id(row.at)} --> {_id(row.refused)} : {row.trigger} [refused]")
    return "\n    ".join(arrows)


def _id(place: str) -> str:
    """Mermaid's name for a step. The underscore keeps it apart from Mermaid's own words, such as `note` and `end`."""
    return "[*]" if place == START else f"{place}_"
