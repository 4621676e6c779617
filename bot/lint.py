"""Flow lint: what would surprise a customer is found before anybody runs the flow.

`transitions` accepts a misspelt step or callback when a machine is built, and a row that is never open falls silent
only when somebody stands before it. So every table is read here, and every screen laid out in every language with the
longest words and amounts it may have to hold.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.catalogue import Catalogue
from bot.dialog import START, Ask, Choose, Detour, End, Flow, Go, Registry, Sign, Step
from bot.keywords import ANYWHERE, RESERVED, reserved
from bot.lint_texts import notices, offers_to_go_on, options_of, screens
from bot.source import Unreadable, made_options, saved_answers


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: in which flow, at which step (or row, or keyword), against which rule, and what is wrong."""

    flow: str
    place: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.flow}, {self.place}: {self.rule}: {self.detail}"


Found = Iterator[tuple[str, str, str]]
"""Place, rule, detail."""


def lint(flows: Registry, catalogue: Catalogue) -> list[Finding]:
    """Everything that is wrong with these flows and with our notices, in the languages of `catalogue`."""
    findings = []
    for name, flow in flows.items():
        table = _Table(flows, name, flow)
        findings += [Finding(name, *found) for rule in _RULES for found in rule(table)]
        findings += [Finding(name, *found) for found in _labels(table, catalogue)]
        findings += [Finding(name, place, "screen", detail) for place, detail in screens(flows, flow, catalogue)]
        findings += [Finding(name, "unfinished", "text", detail) for detail in offers_to_go_on(flow, catalogue)]
    return [*findings, *(Finding("notices", place, "notice", detail) for place, detail in notices(catalogue))]


class _Table:
    """One flow's steps and moves, with what is asked of them again and again."""

    def __init__(self, flows: Registry, name: str, flow: type[Flow]) -> None:
        self.flows = flows
        self.name = name
        self.flow = flow
        self.steps = flow.steps
        self.moves = flow.moves

    def has(self, method: str) -> bool:
        return callable(getattr(self.flow, method, None))

    def reachable(self) -> set[str]:
        """The places some row leads to, from the start on."""
        reached, waiting = {START}, [START]
        while waiting:
            here = waiting.pop()
            ahead = {to for row in self.moves if row.at == here for to in (row.to, row.refused) if to}
            waiting += ahead - reached
            reached |= ahead
        return reached

    def heard(self, place: str) -> set[str]:
        """The triggers that may be pulled at a place. Raises Unreadable."""
        if place == START:
            home = {"lost"} if self.name == self.flows.home else set[str]()
            return {"open", *self.flow.keywords.values(), *home}
        match self.flow.step[place]:
            case Ask():
                return {"answered"}
            case Choose(options=str(method)):
                return {made.trigger for made in made_options(self.flow, method)} if self.has(method) else {"answered"}
            case Choose(options=options):
                return set(options)
            case Sign():
                return {"signed", "stopped"}
            case Detour(flow=other) if other in self.flows:
                called = _Table(self.flows, other, self.flows[other])
                return {step.name for step in called.steps if isinstance(step, End)} & called.reachable()
        return set()

    def is_a_way_in(self) -> bool:
        """Whether a conversation may begin here, so that its End is the last thing it says."""
        left_for = {step.flow for _, flow in self.flows.items() for step in flow.steps if isinstance(step, Go)}
        return bool(self.flow.keywords) or self.name in {self.flows.home, *self.flows.calling, *left_for}

    def goes_back(self, step: Step) -> bool:
        """Whether 0 leads somewhere from `step`, by whatever row the person came: to the step before, or to the menu."""
        detours = {step.flow for _, flow in self.flows.items() for step in flow.steps if isinstance(step, Detour)}
        if self.name not in {self.flows.home, *self.flows.calling, *detours}:
            return True
        ways_in = [row for row in self.moves if row.to == step.name and row.at != step.name]
        before = [self.flow.step.get(row.at) for row in ways_in if not row.do]
        return len(before) == len(ways_in) and all(isinstance(one, Ask | Choose) for one in before)


def _steps_exist(table: _Table) -> Found:
    for row in table.moves:
        for place in (row.at, row.to, row.refused):
            if place is not None and place not in table.flow.step and (place != START or place != row.at):
                yield row.at, "unknown step", f"{place!r} of {row.trigger!r} is no step"
    for name, times in Counter(step.name for step in table.steps).items():
        if times > 1 or name == START:
            yield name, "unknown step", "the name is taken"


def _callbacks_exist(table: _Table) -> Found:
    for row in table.moves:
        for method in (row.when, row.unless, row.do):
            if method and not table.has(method):
                yield row.at, "unknown callback", f"{method!r} of {row.trigger!r} is no method"
    for step in table.steps:
        match step:
            case Ask(parse=str(method)) | Choose(options=str(method)) if not table.has(method):
                yield step.name, "unknown callback", f"{method!r} is no method"


def _flows_exist(table: _Table) -> Found:
    for step in table.steps:
        if isinstance(step, Go | Detour) and step.flow not in table.flows:
            yield step.name, "unknown flow", f"there is no flow {step.flow!r}"


def _steps_are_reached(table: _Table) -> Found:
    reachable = table.reachable()
    for step in table.steps:
        if step.name not in reachable:
            yield step.name, "unreachable step", "no row leads here"


def _triggers_are_answered(table: _Table) -> Found:
    """Whatever can be heard has a row, and every row can be heard."""
    for place in (START, *table.flow.step):
        rows = {row.trigger for row in table.moves if row.at == place}
        try:
            heard = table.heard(place)
        except Unreadable as option:
            yield place, "unreadable option", str(option)
            continue
        for trigger in sorted(heard - rows):
            yield place, "no way out", f"{trigger!r} is not answered"
        for trigger in sorted(rows - heard):
            yield place, "dead row", f"{trigger!r} is never heard here"
        step = table.flow.step.get(place)
        if isinstance(step, Choose) and not step.options and not table.goes_back(step):
            yield place, "no way out", "nothing to choose, and 0 does not lead back"


def _one_row_is_always_open(table: _Table) -> Found:
    """For each trigger at a place: the last row has no condition, and only the last."""
    for trigger, at in dict.fromkeys((row.trigger, row.at) for row in table.moves):
        guarded = [bool(row.when or row.unless) for row in table.moves if (row.trigger, row.at) == (trigger, at)]
        if all(guarded):
            yield at, "no last row", f"every row for {trigger!r} has a condition"
        elif not all(guarded[:-1]):
            yield at, "dead row", f"rows for {trigger!r} follow one without a condition"


def _something_is_said(table: _Table) -> Found:
    for step in table.steps:
        if isinstance(step, Ask | Choose | Sign) and not step.sentence:
            yield step.name, "silent step", "it asks, and says nothing"
        if isinstance(step, End) and not step.sentence and table.is_a_way_in():
            yield step.name, "silent step", "a conversation may end here without a word"


def _keys_can_answer(table: _Table) -> Found:
    """By voice there are only the keys of a phone: where words are asked for, 0 skips them or the person is sent to write."""
    for step in table.steps:
        if isinstance(step, Ask) and step.free and not (step.zero or step.written):
            yield step.name, "words only", "phone keys cannot answer it"


def _holes_are_filled(table: _Table) -> Found:
    saved = saved_answers(table.flow) | {step.name for step in table.steps if isinstance(step, Ask | Choose)}
    for step in table.steps:
        for hole in Catalogue.names(step.sentence):
            if hole not in saved and not table.has(hole):
                yield step.name, "unfilled hole", f"nobody saves {{{hole}}}, and it is no method"
        try:
            options = options_of(table.flow, step)
        except Unreadable:  # told by _triggers_are_answered
            options = []
        if isinstance(step, Choose) and not isinstance(step.options, str) and any(map(Catalogue.names, options)):
            yield step.name, "unfilled hole", "options written in the table have no holes"
        for hole in dict.fromkeys(hole for sentence in (step.sentence, *options) for hole in Catalogue.names(sentence)):
            if hole not in table.flow.holes:
                yield step.name, "no extreme", f"{{{hole}}} has no longest value in `holes`"


def _what_is_unfinished_is_told(table: _Table) -> Found:
    """A flow that is worth a text after a dropped line says from which answer on, and can fill what it says."""
    flow, saved = table.flow, saved_answers(table.flow) | set(table.flow.step)
    if bool(flow.unfinished) != bool(flow.worth_saving):
        yield "unfinished", "not worth saving", "what is told, and from which answer on, go together"
    if flow.worth_saving and flow.worth_saving not in saved:
        yield "unfinished", "not worth saving", f"nobody saves {flow.worth_saving!r}"
    for hole in Catalogue.names(flow.unfinished):
        if hole not in saved and not table.has(hole):
            yield "unfinished", "unfilled hole", f"nobody saves {{{hole}}}, and it is no method"
        if hole not in flow.holes:
            yield "unfinished", "no extreme", f"{{{hole}}} has no longest value in `holes`"


def _keywords_are_free(table: _Table) -> Found:
    taken = {word: name for name, flow in table.flows.items() for word in flow.keywords if name != table.name}
    for word in table.flow.keywords:
        if word in RESERVED:
            yield word, "reserved word", "carriers keep it for themselves"
        if word in ANYWHERE:
            yield word, "taken keyword", "it means something everywhere"
        if word in taken:
            yield word, "taken keyword", f"{taken[word]} has it too"
        if word != word.upper() or not word.isalpha():
            yield word, "unheard keyword", "only one word in capital letters is looked for"


_RULES: tuple[Callable[[_Table], Found], ...] = (
    _steps_exist,
    _callbacks_exist,
    _flows_exist,
    _steps_are_reached,
    _triggers_are_answered,
    _one_row_is_always_open,
    _something_is_said,
    _keys_can_answer,
    _holes_are_filled,
    _what_is_unfinished_is_told,
    _keywords_are_free,
)


def _labels(table: _Table, catalogue: Catalogue) -> Found:
    """People answer a list with the words in it: no label, in any language, may be a carrier's word."""
    for step in table.steps:
        try:
            options = options_of(table.flow, step)
        except Unreadable:  # told by _triggers_are_answered
            continue
        for language in catalogue.languages:
            for label in (catalogue.translation(language, sentence) or sentence for sentence in options):
                if reserved(label):
                    yield step.name, "reserved word", f"{label!r} ({language}) would silence the customer"
