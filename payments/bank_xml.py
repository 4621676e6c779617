"""XML from outside as a tree of elements that know their line: no document type, no entities, and not nested deep."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from payments.bank_lines import Fault, StatementRefused

DEEPEST = 64
"""Elements inside each other. The deepest that camt.053 has are about 20."""

MOST = 2_000_000
"""Elements of a document. As many are no statement of one account, and would fill the memory."""


@dataclass(slots=True)
class Element:
    """An element: `name` without its namespace when that is one of those asked for, else with it; `line` where it begins.
    `written` is its text after the last element inside it: all of it where it has none."""

    name: str
    line: int
    attributes: dict[str, str] = field(repr=False)
    parts: list["Element"] = field(default_factory=list, repr=False)
    written: str = field(default="", repr=False)

    def all(self, *path: str) -> Iterator["Element"]:
        """Every element at a path of names below this one, in order."""
        if not path:
            yield self
            return
        for part in self.parts:
            if part.name == path[0]:
                yield from part.all(*path[1:])

    def first(self, *path: str) -> "Element | None":
        """The first element at a path, or None."""
        return next(self.all(*path), None)

    def words(self, *path: str) -> list[str]:
        """The texts at a path, spaces and line ends made single spaces; empty ones left out."""
        texts = (" ".join(element.written.split()) for element in self.all(*path))
        return [text for text in texts if text]

    def word(self, *path: str) -> str:
        """The first text at a path, or an empty one."""
        return next(iter(self.words(*path)), "")


def parsed(data: bytes, namespaces: tuple[str, ...]) -> Element:
    """The root of an XML document. Names are plain in every namespace that begins with one of `namespaces`.

    Raises StatementRefused: for what is no XML, has a document type (and so could have entities), or is nested too deep
    or too long.
    """
    return _Tree(namespaces).read(data)


class _Tree:
    def __init__(self, namespaces: tuple[str, ...]) -> None:
        self._namespaces = namespaces
        self._open: list[Element] = []
        self._written: list[str] = []
        self._count = 0
        self._root: Element | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_document_type
        self._parser.StartElementHandler = self._begin
        self._parser.CharacterDataHandler = self._written.append
        self._parser.EndElementHandler = self._end

    def read(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise StatementRefused([Fault(max(1, error.lineno), "this is no well-formed XML")]) from None
        except (LookupError, ValueError):  # the encoding it names is none, or none that can be read byte by byte
            raise StatementRefused([Fault(1, "the encoding of this XML cannot be read")]) from None
        assert self._root
        return self._root

    def _refuse_document_type(self, *_: object) -> None:
        raise StatementRefused([Fault(self._parser.CurrentLineNumber, "a document type or entity is not taken")])

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        self._count += 1
        if len(self._open) == DEEPEST or self._count > MOST:
            raise StatementRefused([Fault(line, "the elements are too many, or nested too deep")])
        space, _, local = name.rpartition(" ")
        element = Element(local if space.startswith(self._namespaces) else name, line, attributes)
        if self._open:
            self._open[-1].parts.append(element)
        else:
            self._root = element
        self._open.append(element)
        self._written.clear()

    def _end(self, _name: str) -> None:
        self._open.pop().written = "".join(self._written)
        self._written.clear()
