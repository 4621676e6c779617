"""The lint finds each fault it promises to find, in a flow made for it; and none in the product's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bot.catalogue import Catalogue
from bot.dialog import Ask, Choose, Detour, End, Flow, Go, Move, Option, Registry, Secret, Sign, Step, move
from bot.lint import Finding, lint
from circulation.values import Value
from flows import CALLED, FLOWS

OPTIONS = {"mild": "No {nothing} at all", "hot": "Hot"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(country="KE", zone="Africa/Nairobi")


def made(
    steps: Sequence[Step],
    moves: Sequence[Move],
    *,
    keywords: Mapping[str, str] | None = None,
    holes: Mapping[str, Value] | None = None,
) -> type[Flow]:
    """A flow with a few methods, of the tables given."""
    tables = {"steps": steps, "moves": moves, "keywords": keywords or {}, "holes": holes or {}}
    return type("Made", (Methods,), tables)


class Methods(Flow):
    """What the small flows may name."""

    def yes(self) -> bool:
        return True

    def dynamic(self) -> list[Option]:
        return [Option(1, "One"), Option(2, "Two", trigger="other")]

    def with_holes(self) -> list[Option]:
        return [Option(1, "{price}")]

    def put_together(self) -> list[Option]:
        return [Option(1, "One" + " and two")]

    def stopping(self) -> list[Option]:
        return [Option(1, "Stop")]

    def save(self) -> None:
        self.answers["saved"] = 1
        self.answers.update(updated=2)

    def said(self) -> str:
        return ""


def found(catalogue: Catalogue, flow: type[Flow], **others: type[Flow]) -> list[tuple[str, str]]:
    """Place and rule of what is wrong with `flow`, which is no home."""
    findings = lint(Registry({"home": HOME, "made": flow, **others}), catalogue)
    return [(finding.place, finding.rule) for finding in findings if finding.flow == "made"]


HOME = made([End("hello", "Hello.")], [move("open", "start", "hello"), move("lost", "start", "hello")])
OPEN = move("open", "start", "one")
ONE = End("one", "Done.")


@pytest.mark.parametrize("flows", [FLOWS, CALLED], ids=["all", "called"])
def test_the_product_has_no_finding(flows: Registry, catalogue: Catalogue) -> None:
    assert [str(finding) for finding in lint(flows, catalogue)] == []


def test_a_small_sound_flow_has_no_finding(catalogue: Catalogue) -> None:
    assert found(catalogue, made([ONE], [OPEN])) == []


def test_a_finding_reads_as_a_line() -> None:
    assert str(Finding("buy", "kind", "screen", "9 pages")) == "buy, kind: screen: 9 pages"


@pytest.mark.parametrize(
    "row",
    [
        move("answered", "ask", "nowhere"),
        move("answered", "ask", "one", do="save", refused="nowhere"),
        move("answered", "ask", "start"),
    ],
)
def test_a_row_that_leads_to_no_step_is_found(catalogue: Catalogue, row: Move) -> None:
    flow = made([Ask("ask", "What?", parse=str), ONE], [move("open", "start", "ask"), OPEN, row])
    assert ("ask", "unknown step") in found(catalogue, flow)


def test_a_row_at_no_step_is_found(catalogue: Catalogue) -> None:
    flow = made([ONE], [OPEN, move("answered", "nowhere", "one")])
    assert ("nowhere", "unknown step") in found(catalogue, flow)


def test_two_steps_of_one_name_are_found(catalogue: Catalogue) -> None:
    assert ("one", "unknown step") in found(catalogue, made([ONE, ONE], [OPEN]))


@pytest.mark.parametrize("row", [{"when": "maybe"}, {"unless": "maybe"}, {"do": "something"}])
def test_a_callback_that_is_no_method_is_found(catalogue: Catalogue, row: dict[str, str]) -> None:
    assert found(catalogue, made([ONE], [move("open", "start", "one", **row), OPEN]))[0] == (
        "start",
        "unknown callback",
    )


@pytest.mark.parametrize(
    "step", [Ask("ask", "What?", parse="misspelt"), Choose("ask", "Which?", options="misspelt")], ids=["parse", "list"]
)
def test_a_parser_or_list_that_is_no_method_is_found(catalogue: Catalogue, step: Step) -> None:
    flow = made([step, ONE], [move("open", "start", "ask"), move("answered", "ask", "one")])
    assert ("ask", "unknown callback") in found(catalogue, flow)


@pytest.mark.parametrize("step", [Go("away", flow="nowhere"), Detour("away", flow="nowhere")], ids=["go", "detour"])
def test_a_flow_that_is_not_there_is_found(catalogue: Catalogue, step: Step) -> None:
    assert ("away", "unknown flow") in found(catalogue, made([step], [move("open", "start", "away")]))


def test_a_step_to_which_no_row_leads_is_found(catalogue: Catalogue) -> None:
    assert ("far", "unreachable step") in found(catalogue, made([ONE, End("far", "Far.")], [OPEN]))


def test_a_step_reached_by_a_refusal_alone_is_reachable(catalogue: Catalogue) -> None:
    flow = made([ONE, End("no", "No.")], [move("open", "start", "one", do="save", refused="no")])
    assert found(catalogue, flow) == []


def test_a_flow_that_does_not_open_is_found(catalogue: Catalogue) -> None:
    assert ("start", "no way out") in found(catalogue, made([ONE], [move("other", "start", "one")]))


def test_a_keyword_that_opens_nothing_is_found(catalogue: Catalogue) -> None:
    assert ("start", "no way out") in found(catalogue, made([ONE], [OPEN], keywords={"TASTE": "taste"}))


@pytest.mark.parametrize(
    ("step", "answered"),
    [
        (Ask("here", "What?", parse=str), []),
        (Secret("here", "What?", parse=str), []),
        (Sign("here", "All this."), ["signed"]),
        (Sign("here", "All this."), ["stopped"]),
        (Choose("here", "Which?", options={"mild": "Mild", "hot": "Hot"}), ["mild"]),
        (Choose("here", "Which?", options="dynamic"), ["answered"]),
        (Choose("here", "Which?", options="dynamic"), ["other"]),
        (Detour("here", flow="other"), ["well"]),
    ],
)
def test_a_step_that_does_not_answer_all_that_may_be_heard_is_found(
    catalogue: Catalogue, step: Step, answered: list[str]
) -> None:
    other = made(
        [End("well", "Well."), End("badly", "Badly.")],
        [move("open", "start", "well", when="yes"), move("open", "start", "badly")],
    )
    rows = [move(trigger, "here", "one") for trigger in answered]
    flow = made([step, ONE], [move("open", "start", "one", when="yes"), move("open", "start", "here"), *rows])
    assert found(catalogue, flow, other=other) == [("here", "no way out")]


def test_an_end_of_a_detour_that_no_row_reaches_needs_no_answer(catalogue: Catalogue) -> None:
    other = made([End("well", "Well."), End("never", "Never.")], [move("open", "start", "well")])
    flow = made([Detour("here", flow="other"), ONE], [move("open", "start", "here"), move("well", "here", "one")])
    assert found(catalogue, flow, other=other) == []


def test_a_list_of_nothing_from_which_0_does_not_lead_back_is_found(catalogue: Catalogue) -> None:
    caller = made([Detour("there", flow="made")], [move("open", "start", "there")])
    nothing, topics = Choose("here", "Read.", options={}), Choose("topics", "Which?", options={"a": "A topic"})
    first = made([nothing], [move("open", "start", "here")])
    behind_a_list = made([topics, nothing], [move("open", "start", "topics"), move("a", "topics", "here")])
    behind_an_effect = made(
        [topics, nothing], [move("open", "start", "topics"), move("a", "topics", "here", do="save")]
    )
    assert found(catalogue, first, caller=caller) == [("here", "no way out")]
    assert found(catalogue, behind_an_effect, caller=caller) == [("here", "no way out")]
    assert found(catalogue, behind_a_list, caller=caller) == []
    assert found(catalogue, first) == [], "0 leads to the menu from the first step of a flow that was chosen there"


def test_rows_that_are_all_guarded_are_found(catalogue: Catalogue) -> None:
    rows = [move("open", "start", "one", when="yes"), move("open", "start", "one", unless="yes")]
    assert found(catalogue, made([ONE], rows)) == [("start", "no last row")]


def test_a_row_behind_an_unconditional_one_is_found(catalogue: Catalogue) -> None:
    assert found(catalogue, made([ONE], [OPEN, move("open", "start", "one", when="yes")])) == [("start", "dead row")]


def test_a_row_for_what_is_never_heard_is_found(catalogue: Catalogue) -> None:
    assert found(catalogue, made([ONE], [OPEN, move("answered", "one", "one")])) == [("one", "dead row")]


def test_an_option_put_together_while_running_is_found(catalogue: Catalogue) -> None:
    flow = made(
        [Choose("here", "Which?", options="put_together"), ONE],
        [move("open", "start", "here"), move("answered", "here", "one")],
    )
    assert found(catalogue, flow) == [("here", "unreadable option")]


@pytest.mark.parametrize(
    ("hole", "rules"),
    [
        ("nobody", [("one", "unfilled hole")]),
        ("said", []),
        ("saved", []),
        ("updated", []),
        ("here", []),
    ],
)
def test_a_hole_that_nobody_fills_is_found(catalogue: Catalogue, hole: str, rules: list[tuple[str, str]]) -> None:
    flow = made(
        [Ask("here", "What?", parse=str), End("one", f"Done: {{{hole}}}.")],
        [move("open", "start", "here"), move("answered", "here", "one")],
        holes={hole: "x"},
    )
    assert found(catalogue, flow) == rules


def test_a_hole_in_an_option_of_the_table_is_found(catalogue: Catalogue) -> None:
    flow = made(
        [Choose("here", "Which?", options=OPTIONS), ONE],
        [move("open", "start", "here"), move("mild", "here", "one"), move("hot", "here", "one")],
        holes={"nothing": ""},
    )
    assert found(catalogue, flow) == [("here", "unfilled hole")]


def test_a_hole_without_a_longest_value_is_found(catalogue: Catalogue) -> None:
    flow = made([End("one", "Done: {said}.")], [OPEN])
    assert found(catalogue, flow) == [("one", "no extreme")]


def test_a_hole_of_a_list_without_a_longest_value_is_found(catalogue: Catalogue) -> None:
    flow = made(
        [Choose("here", "Which?", options="with_holes"), ONE],
        [move("open", "start", "here"), move("answered", "here", "one")],
    )
    assert found(catalogue, flow) == [("here", "no extreme")]


def test_a_question_without_words_is_found(catalogue: Catalogue) -> None:
    flow = made([Ask("here", parse=str), ONE], [move("open", "start", "here"), move("answered", "here", "one")])
    assert found(catalogue, flow) == [("here", "silent step")]


def test_words_that_no_phone_key_can_give_are_found(catalogue: Catalogue) -> None:
    def asking(*, zero: bool = False, written: bool = False) -> type[Flow]:
        steps = [Ask("here", "Your name?", parse=str, free=True, zero=zero, written=written), ONE]
        return made(steps, [move("open", "start", "here"), move("answered", "here", "one")])

    assert found(catalogue, asking()) == [("here", "words only")]
    assert found(catalogue, asking(zero=True)) == found(catalogue, asking(written=True)) == []


def test_words_that_take_more_than_a_minute_to_say_are_found(catalogue: Catalogue) -> None:
    flow = made([End("one", "{said}")], [OPEN], holes={"said": "A 1234 5678 " * 40})
    assert ("one", "screen") in found(catalogue, flow)


def test_an_end_without_words_is_found_where_a_conversation_may_end(catalogue: Catalogue) -> None:
    steps, moves = [End("one")], [OPEN]
    assert found(catalogue, made(steps, moves)) == []
    assert found(catalogue, made(steps, moves, keywords={"TASTE": "open"})) == [("one", "silent step")]


@pytest.mark.parametrize(
    ("unfinished", "worth_saving", "rules"),
    [
        ("It is not done.", "", ["not worth saving"]),
        ("", "kind", ["not worth saving"]),
        ("It is not done.", "nobody", ["not worth saving"]),
        ("{nobody} is not done.", "kind", ["unfilled hole", "no extreme"]),
        ("{long} is not done.", "kind", ["text", "text"]),  # in each language
        ("{kind} is not done.", "kind", []),
    ],
)
def test_what_is_told_after_a_dropped_line_is_whole(
    catalogue: Catalogue, unfinished: str, worth_saving: str, rules: list[str]
) -> None:
    flow = made(
        [Choose("kind", "Which?", options="dynamic"), End("done", "Done.")],
        [move("open", "start", "kind"), move("answered", "kind", "done"), move("other", "kind", "done")],
        holes={"kind": "W" * 20, "long": "W" * 500},
    )
    flow.unfinished, flow.worth_saving = unfinished, worth_saving
    flow.long = flow.said  # type: ignore[attr-defined]
    assert [rule for place, rule in found(catalogue, flow) if place == "unfinished"] == rules


@pytest.mark.parametrize("word", ["STOP", "START", "CANCEL", "YES"])
def test_a_carriers_word_as_keyword_is_found(catalogue: Catalogue, word: str) -> None:
    assert found(catalogue, made([ONE], [OPEN], keywords={word: "open"})) == [(word, "reserved word")]


def test_a_keyword_that_means_something_everywhere_is_found(catalogue: Catalogue) -> None:
    assert found(catalogue, made([ONE], [OPEN], keywords={"BACK": "open"})) == [("BACK", "taken keyword")]


def test_a_keyword_of_two_flows_is_found(catalogue: Catalogue) -> None:
    other = made([ONE], [OPEN], keywords={"TASTE": "open"})
    flow = made([ONE], [OPEN], keywords={"TASTE": "open"})
    assert found(catalogue, flow, other=other) == [("TASTE", "taken keyword")]


@pytest.mark.parametrize("word", ["taste", "TWO WORDS", "12"])
def test_a_keyword_that_would_never_be_heard_is_found(catalogue: Catalogue, word: str) -> None:
    assert found(catalogue, made([ONE], [OPEN], keywords={word: "open"})) == [(word, "unheard keyword")]


def test_a_carriers_word_as_label_is_found(catalogue: Catalogue) -> None:
    flow = made(
        [Choose("here", "Go on?", options={"no": "Cancel"}), Choose("list", "Go on?", options="stopping"), ONE],
        [move("open", "start", "here"), move("no", "here", "list"), move("answered", "list", "one")],
    )
    assert set(found(catalogue, flow)) == {("here", "reserved word"), ("list", "reserved word")}


def test_a_carriers_word_as_translated_label_is_found(tmp_path: Path) -> None:
    po = tmp_path / "fr" / "LC_MESSAGES" / "giftline.po"
    po.parent.mkdir(parents=True)
    po.write_text('msgid "Later"\nmsgstr "Quit"\n')
    flow = made(
        [Choose("here", "Now?", options={"later": "Later"}), ONE],
        [move("open", "start", "here"), move("later", "here", "one")],
    )
    catalogue = Catalogue(country="KE", zone="Africa/Nairobi", locales=tmp_path)
    assert found(catalogue, flow) == [("here", "reserved word")]


def test_words_of_more_than_4_pages_are_found(catalogue: Catalogue) -> None:
    assert found(catalogue, made([End("one", "Many words. " * 40)], [OPEN])) == []
    assert set(found(catalogue, made([End("one", "Many words. " * 60)], [OPEN]))) == {("one", "screen")}


def test_a_long_value_in_a_hole_counts(catalogue: Catalogue) -> None:
    flow = made([End("one", "Done: {said}.")], [OPEN], holes={"said": "Wide words. " * 60})
    assert set(found(catalogue, flow)) == {("one", "screen")}


def test_words_of_another_script_may_take_6_pages_and_no_more(catalogue: Catalogue) -> None:
    for characters, faults in ((270, set()), (400, {("one", "screen")})):
        flow = made([End("one", "Done: {said}.")], [OPEN], holes={"said": "\N{ETHIOPIC SYLLABLE HA}" * characters})
        assert set(found(catalogue, flow)) == faults


def test_a_line_of_a_list_that_does_not_fit_a_page_is_found(catalogue: Catalogue) -> None:
    flow = made(
        [Choose("here", "Which?", options="with_holes"), ONE],
        [move("open", "start", "here"), move("answered", "here", "one")],
        holes={"price": "W" * 150},
    )
    assert set(found(catalogue, flow)) == {("here", "screen")}


def test_a_notice_of_too_many_segments_is_found(tmp_path: Path) -> None:
    po = tmp_path / "fr" / "LC_MESSAGES" / "giftline.po"
    po.parent.mkdir(parents=True)
    sentence = "{recipient} accepted your gift {issuer} {amount}. Ref {reference}."
    po.write_text(f'msgid "{sentence}"\nmsgstr "{sentence} {"Very wordy. " * 40}"\n')
    catalogue = Catalogue(country="KE", zone="Africa/Nairobi", locales=tmp_path)
    findings = lint(Registry({"home": HOME}), catalogue)
    assert [(finding.flow, finding.place, finding.rule) for finding in findings] == [("notices", sentence, "notice")]
