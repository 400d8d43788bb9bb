"""Every lab, by its shape alone: it draws, it says what is true, its experiments hold, its questions have one right answer.

A new lab is tested by being in its folder. ATTEND_LONG=1 takes a thousand seeds and twenty random settings instead of a few.
"""

from __future__ import annotations

import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from types import GeneratorType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.questions import Form, Question, mark
from screens.labs import Choice, LabError, Seed, Slider, Stops, Text, Toggle, catalogue, close_number, load, numeral, read_settings, write_settings
from screens.labs.__main__ import main
from screens.labs.pictures import Picture
from screens.parts.browser_pictures import payload_of
from screens.parts.figure_box import csv_of, page_of, table_html, table_of

HOUSE = Path(__file__).parent.parent
LONG = bool(os.environ.get("ATTEND_LONG"))
SEEDS = range(1000 if LONG else 50)
SLUGS = list(catalogue())
MAKERS = [(slug, maker) for slug, entry in catalogue().items() for maker in entry.makers]
LARGEST_PICTURE = 300 * 1024


def computed(lab: Any, given: dict[str, Any]) -> Any:
    """The result at these settings; of long work only the first pictures, unless there is time."""
    result = lab.compute(**{**lab.defaults, **given})
    if not isinstance(result, GeneratorType):
        return result
    partial = None
    for count, progress in enumerate(result):
        partial = progress.partial if progress.partial is not None else partial
        if not LONG and partial is not None and count >= 2:
            result.close()
            break
    return partial


def settings_to_try(lab: Any) -> list[dict[str, Any]]:
    ends = [{name: value} for name, control in lab.controls.items() for value in control.ends()]
    rng = random.Random(0)
    drawn = [{name: control.draw(rng) for name, control in lab.controls.items()} for _ in range(20 if LONG else 2)]
    return [{}, *ends, *drawn]


def assert_draws(lab: Any, result: Any) -> None:
    sentence = lab.says(result)
    assert sentence.strip().endswith(".")
    assert "nan" not in sentence.lower().split()
    figures = lab.figures(result)
    assert figures
    for title, figure in figures.items():
        table = table_of(figure)
        assert table.rows or not getattr(figure, "data", True), f"{title}: no numbers behind the picture"
        if isinstance(figure, Picture):
            data, *_ = payload_of(figure, says=sentence)
            assert len(data) <= LARGEST_PICTURE, f"{title}: {len(data) / 1024:.0f} KiB"
        else:
            assert figure.layout.height, f"{title}: without a fixed height the page jumps"
            assert figure.to_json()


# --- the folder -------------------------------------------------------------------------------------------------------


def test_listing_the_labs_needs_neither_torch_nor_streamlit() -> None:
    code = "import sys, screens.labs as labs; labs.catalogue(); print([name for name in ('torch', 'streamlit', 'plotly') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_broken_lab_stops_the_catalogue_and_is_named(tmp_path: Any) -> None:
    (tmp_path / "inference").mkdir()
    (tmp_path / "inference" / "half_lab.py").write_text('"""Half a lab"""\nTOPIC = "x"\n')
    with pytest.raises(LabError, match=r"half_lab\.py.*compute, figures, says, verify, REFERENCE"):
        catalogue(tmp_path)


def test_an_unknown_lab_is_answered_with_a_sentence() -> None:
    with pytest.raises(LabError, match="there is no lab “nothing”"):
        load("nothing")


@pytest.mark.parametrize("slug", SLUGS)
def test_a_lab_is_whole_and_belongs_to_a_topic(slug: str) -> None:
    lab = load(slug)
    tracks = yaml.safe_load((HOUSE / "content" / "tracks.yaml").read_text(encoding="utf-8"))
    topics = {topic: track["slug"] for track in tracks for topic in track["topics"]}
    assert topics[lab.entry.topic]
    assert lab.entry.track in set(topics.values())
    assert len(lab.entry.title) <= 80
    assert lab.mechanism, "a lab shows the function of models/ that it runs"
    assert set(lab.entry.makers) == set(lab.questions) == set(lab.second)
    assert "streamlit" not in lab.entry.path.read_text(encoding="utf-8")


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_a_lab_draws_at_its_defaults_and_at_both_ends_of_every_control(slug: str) -> None:
    lab = load(slug)
    for given_settings in settings_to_try(lab):
        try:
            assert_draws(lab, computed(lab, given_settings))
        except Exception as error:
            raise AssertionError(f"{slug} at {given_settings}: {error}") from error


@pytest.mark.parametrize("slug", SLUGS)
def test_a_picture_can_be_taken_along_as_one_file_and_as_numbers(slug: str) -> None:
    lab = load(slug)
    result = computed(lab, {})
    for title, figure in lab.figures(result).items():
        page = page_of(title, figure, lab.says(result)).decode()
        assert not re.search(r'(src|href)="(https?:)?//', page.split("<body>")[-1].split("plotly.js v")[0])
        assert csv_of(table_of(figure)).count(b"\n") == len(table_of(figure).rows) + 1
        assert "<table>" in table_html(table_of(figure), title)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_sentence_states_only_numbers_that_the_result_has(slug: str) -> None:
    lab = load(slug)
    if lab.facts is None:
        assert not re.search(r"\d\.\d", lab.says(computed(lab, {}))), "a sentence with measured numbers needs `facts`"
        return
    for given_settings in settings_to_try(lab):
        result = computed(lab, given_settings)
        known = [float(value) for value in lab.facts(result).values()]
        words = re.sub(r"“[^”]*”", "", lab.says(result))
        for found in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/])", words):
            stated = close_number(found)
            assert any(math.isclose(stated, abs(value), rel_tol=6e-3, abs_tol=1e-9) for value in known), (
                f"{slug} at {given_settings}: {found} in “{words}”"
            )


# --- experiments and references ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_what_an_experiment_calls_right_is_true_of_its_result(slug: str) -> None:
    lab = load(slug)
    assert len(lab.experiments) >= 3
    assert len({experiment.title for experiment in lab.experiments}) == len(lab.experiments)
    for experiment in lab.experiments:
        if lab.is_long and not LONG:
            continue
        assert experiment.holds(computed(lab, dict(experiment.settings))), f"{slug}: {experiment.title}"


@pytest.mark.parametrize("slug", SLUGS)
def test_the_mechanism_agrees_with_its_reference(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    lab = load(slug)
    before = lab.says(computed(lab, {}))
    status = main(["verify", slug])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "within tolerance" in printed
    assert lab.says(computed(lab, {})) == before, "a comparison must leave the lab's models as they were"


# --- the address ------------------------------------------------------------------------------------------------------

CONTROLS = {
    "whole": Slider(2, 20, 3),
    "fine": Slider(0.1, 3.0, 0.1),
    "stops": Stops(2, 4, 8, 1024),
    "choice": Choice({"none": "no scaling", "a b&c": "odd"}),
    "flag": Toggle(),
    "seed": Seed(),
    "text": Text(limit=40),
}
DEFAULTS: dict[str, Any] = {"whole": 5, "fine": 1.0, "stops": 8, "choice": "none", "flag": False, "seed": 0, "text": "a text"}


@settings(max_examples=300 if LONG else 60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_settings_survive_the_address(seed: int) -> None:
    rng = random.Random(seed)
    wanted = {name: control.draw(rng) for name, control in CONTROLS.items()}
    again = read_settings(CONTROLS, DEFAULTS, write_settings(DEFAULTS, wanted))
    assert again == (wanted, ())


@settings(max_examples=300 if LONG else 60, deadline=None)
@given(typed=st.dictionaries(st.sampled_from(sorted(CONTROLS)), st.text(max_size=80) | st.floats().map(str) | st.integers().map(str)))
def test_whatever_is_typed_into_the_address_becomes_something_allowed(typed: dict[str, str]) -> None:
    settled, notices = read_settings(CONTROLS, DEFAULTS, typed)
    assert set(settled) == set(CONTROLS)
    for name, control in CONTROLS.items():
        assert control.fit(settled[name], DEFAULTS[name]) == (settled[name], "")
    assert len(notices) <= len(typed)


@pytest.mark.parametrize(
    ("control", "typed", "value", "notice"),
    [
        (Slider(0.1, 3.0, 0.1), "9", 3.0, "The range is 0.1 to 3; 9 became 3."),
        (Slider(2, 20, 3), "6", 5, "Steps are 3; 6 became 5."),
        (Stops(2, 4, 8), "100", 8, "The nearest step to 100 is 8."),
        (Slider(0, 1, 0.1), "nan", 0.5, "“nan” is not a number; 0.5 stands instead."),
        (Choice("a", "b"), "c", "a", "“c” is none of a, b; a stands instead."),
        (Text(limit=3), "four", "fou", "The text had 4 characters; the first 3 are shown."),
    ],
)
def test_a_value_out_of_range_becomes_the_nearest_with_a_plain_sentence(control: Any, typed: str, value: Any, notice: str) -> None:
    default = {Slider: 0.5, Choice: "a"}.get(type(control), 0)
    assert control.fit(typed, default) == (value, notice)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_control_of_a_lab_is_in_its_address(slug: str) -> None:
    lab = load(slug)
    rng = random.Random(1)
    for _ in range(100 if LONG else 20):
        wanted = {name: control.draw(rng) for name, control in lab.controls.items()}
        assert read_settings(lab.controls, lab.defaults, write_settings(lab.defaults, wanted)) == (wanted, ())


# --- computed questions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slug", "maker"), MAKERS)
def test_a_computed_question_has_one_right_answer_that_a_second_way_confirms(slug: str, maker: str) -> None:
    lab = load(slug)
    for seed in SEEDS:
        question = lab.questions[maker](random.Random(seed))
        assert question.prompt == lab.questions[maker](random.Random(seed)).prompt, "the same seed asks the same question"
        assert question.lab == slug
        assert set(read_settings(lab.controls, lab.defaults, question.settings).settings) == set(lab.controls)
        assert read_settings(lab.controls, lab.defaults, question.settings).notices == ()
        assert_key(question, lab.second[maker](question))


@pytest.mark.parametrize(("slug", "maker"), [("moe-router", "turned-away"), ("attention-mask-viewer", "visible-entries")])
def test_where_things_are_counted_no_option_is_a_fraction(slug: str, maker: str) -> None:
    for seed in range(200):
        question = load(slug).questions[maker](random.Random(seed))
        assert all(option.text.isdigit() for option in question.options), [option.text for option in question.options]
        assert len({option.text for option in question.options}) == 4


def test_a_causal_question_offers_nothing_of_windows_and_prefixes() -> None:
    """For 5 tokens: 15 entries stay, 10 without the diagonal, 25 are all, 5 the diagonal, 19 with the token after each."""
    offered: dict[int, set[int]] = {}
    for seed in range(200):
        question = load("attention-mask-viewer").questions["visible-entries"](random.Random(seed))
        kind, tokens, _ = question.settings["drawn"]
        if kind == "causal":
            offered.setdefault(tokens, set()).update(int(option.text) for option in question.options)
    assert offered[5] <= {15, 10, 25, 5, 19}
    assert offered[6] <= {21, 15, 36, 6, 26}


def assert_key(question: Question, key: float | str) -> None:
    if question.form is Form.CHOICE:
        right = [option for option in question.options if option.right]
        wrong = [option for option in question.options if not option.right]
        assert len(right) == 1
        assert len(wrong) >= 2
        assert len({option.text for option in question.options}) == len(question.options)
        assert all(option.mistake and option.why for option in wrong)
        assert mark(question, question.options.index(right[0])).right
        assert agrees(right[0].text, key), f"{right[0].text} against {key}: {question.prompt}"
        assert not any(agrees(option.text, key) for option in wrong)
    elif question.form is Form.NUMBER:
        assert question.quantity is not None
        assert mark(question, repr(float(key))).right, f"{question.quantity} against {key}: {question.prompt}"
    else:
        assert mark(question, key).right, f"{key}: {question.prompt}"  # type: ignore[arg-type]


def agrees(text: str, key: float | str) -> bool:
    if isinstance(key, str):
        return text == key
    number = close_number(text.split()[0])
    return math.isclose(number, key, rel_tol=6e-3, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("value", "text"), [(0.30685, "0.307"), (22.9, "22.9"), (1234567, "1,234,567"), (0.04, "0.04"), (1e-9, "1.00e-09"), (-0.5, "-0.5"), (512, "512")]
)
def test_numbers_are_spelled_as_people_write_them(value: float, text: str) -> None:
    assert numeral(value) == text
    assert close_number(text) == pytest.approx(value, rel=6e-3)
