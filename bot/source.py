"""What a flow's methods say and save, and what parsers complain of, read from the source as literals.

A sentence that is put together while running cannot be translated, and cannot be checked before somebody sees it.
So every sentence stands in the code as a literal, or in a module's mapping of literals, and is found here.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bot.dialog import Flow

HOME = Path(__file__).parent.parent
COMPLAINTS = {"NotUnderstood": 0, "BadNumber": 1}
"""The exceptions that carry a sentence for people, and which of their arguments it is."""


class Unreadable(Exception):
    """An Option's sentence or trigger is no literal."""


@dataclass(frozen=True)
class Made:
    """An Option that a method may make: its sentence and the trigger that choosing it pulls."""

    sentence: str
    trigger: str


def made_options(flow: type[Flow], method: str) -> list[Made]:
    """Every Option that a method of `flow` may make, itself or through the functions and methods it calls.

    Raises Unreadable.
    """
    made: dict[Made, None] = {}
    seen: set[Callable[..., Any]] = set()
    waiting: list[Callable[..., Any]] = [getattr(flow, method)]
    while waiting:
        function = waiting.pop(0)
        if function in seen:
            continue
        seen.add(function)
        for call in _calls(_tree(function)):
            match call.func:
                case ast.Name("Option"):
                    made.update(dict.fromkeys(_made(call, function.__globals__)))
                case ast.Name(name) if inspect.isfunction(function.__globals__.get(name)):
                    waiting.append(function.__globals__[name])
                case ast.Attribute(ast.Name("self"), name) if inspect.isfunction(getattr(flow, name, None)):
                    waiting.append(getattr(flow, name))
    return list(made)


def saved_answers(flow: type[Flow]) -> set[str]:
    """The names under which the methods of `flow` save answers."""
    saved: set[str] = set()
    owners = flow.__mro__[: flow.__mro__.index(Flow)]
    for method in (method for owner in owners for method in vars(owner).values() if inspect.isfunction(method)):
        for node in ast.walk(_tree(method)):
            match node:
                case ast.Subscript(ast.Attribute(ast.Name("self"), "answers"), ast.Constant(str(name)), ast.Store()):
                    saved.add(name)
                case ast.Call(ast.Attribute(ast.Attribute(ast.Name("self"), "answers"), "update"), _, keywords):
                    saved.update(keyword.arg for keyword in keywords if keyword.arg)
    return saved


@cache
def complaints() -> Mapping[str, str]:
    """Every sentence that answers what cannot be understood, with the file in which it stands."""
    found: dict[str, str] = {}
    for path in [HOME / "bot/parsing.py", HOME / "circulation/msisdn.py", *sorted((HOME / "flows").glob("*.py"))]:
        for call in _calls(ast.parse(path.read_text())):
            match call:
                case ast.Call(ast.Name(name), arguments) if len(arguments) > (at := COMPLAINTS.get(name, 99)):
                    if isinstance(argument := arguments[at], ast.Constant):
                        found.setdefault(str(argument.value), path.relative_to(HOME).as_posix())
    return found


def _made(call: ast.Call, module: Mapping[str, Any]) -> list[Made]:
    """The Options of one `Option(value, sentence, holes, trigger=...)`."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    trigger = named.get("trigger", ast.Constant("answered"))
    sentence = named.get("sentence") or (call.args[1] if len(call.args) > 1 else None)
    match sentence, trigger:
        case ast.Constant(str(text)), ast.Constant(str(pulled)):
            return [Made(text, pulled)]
        case ast.Subscript(ast.Name(mapping)), ast.Constant(str(pulled)):
            return [Made(text, pulled) for text in module[mapping].values()]
    raise Unreadable(ast.unparse(call))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls in the order in which they stand in the source."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return iter(sorted(found, key=lambda call: (call.lineno, call.col_offset)))


@cache
def _tree(function: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))
