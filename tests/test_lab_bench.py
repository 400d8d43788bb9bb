"""The page of a lab: what travels to the browser, what comes back, what is kept, and long work that can be stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from sqlmodel import Session
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from backend import store
from backend.cards import read_cards
from backend.predictions import experiments_tried, first_predictions, is_kept, keep_as_card, list_predictions, record_prediction
from backend.questions import Form
from screens.labs import Progress, Text, catalogue, load, write_settings
from screens.labs.pictures import AttentionView, Cell, Frame, Node, Picture, Playback, Strip, Swept, TokenStrip, Tree
from screens.parts.attention_view import BUDGET, attention_payload, weights_sent
from screens.parts.browser_pictures import payload_of, picture_html
from screens.parts.control_panel import face_of, place_of
from screens.parts.lab_quiz import as_question
from screens.parts.lab_runs import start_run
from screens.parts.lab_view import rows_of, run_to_show
from screens.parts.live_control import Moved, moved
from screens.parts.live_route import ROUTES
from screens.parts.payload import pack, unpack
from screens.parts.plot import spec_of
from screens.parts.tree_view import layout
from tests.test_screens import HOUSE, desk, words  # noqa: F401

SLUG = "scaled-softmax-saturation"


# --- what travels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32"])
def test_a_payload_reads_back_as_what_was_packed(dtype: str) -> None:
    array = (np.random.default_rng(0).normal(size=(3, 5)) * 40).astype(dtype)
    header, arrays = unpack(pack({"says": "“注意” & <b>"}, {"odd": np.arange(3, dtype=np.uint8), "array": array}))
    assert header == {"says": "“注意” & <b>"}
    np.testing.assert_array_equal(arrays["array"], array)
    np.testing.assert_array_equal(arrays["odd"], [0, 1, 2])


def attention(layers: int, heads: int, tokens: int, *, causal: bool) -> np.ndarray:
    weights = np.random.default_rng(1).dirichlet(np.full(tokens, 0.1), size=(layers, heads, tokens)).astype(np.float32)
    if causal:
        weights = np.tril(weights) + 1e-6 * np.eye(tokens)
        weights /= weights.sum(-1, keepdims=True)
    return weights


@pytest.mark.parametrize(("layers", "heads", "tokens", "causal"), [(12, 12, 64, True), (4, 4, 64, False), (1, 1, 512, True)])
def test_attention_travels_within_its_budget_and_nearly_exactly(layers: int, heads: int, tokens: int, causal: bool) -> None:
    weights = attention(layers, heads, tokens, causal=causal)
    data = attention_payload(AttentionView([f"w{at}" for at in range(tokens)], weights, causal=causal), says="Here.")
    assert len(data) <= BUDGET
    assert np.abs(weights_sent(data) - weights).max() <= 0.004


@pytest.mark.parametrize("causal", [True, False])
def test_512_tokens_of_72_heads_travel_as_small_heads_and_the_chosen_one_in_full(causal: bool) -> None:
    weights = attention(6, 12, 512, causal=causal)
    view = AttentionView([f"token{at}" for at in range(512)], weights, causal=causal)
    data = attention_payload(view, says="Here.", head=(3, 7))
    header, arrays = unpack(data)
    assert len(data) <= BUDGET
    large = (arrays["large"] / 255.0) ** 2
    chosen = weights[3, 7]
    assert np.abs(large - (chosen[np.tril_indices(512)] if causal else chosen)).max() <= 0.004
    pool = header["pool"]
    assert np.abs(weights_sent(data)[0, 0, 0, 0] - weights[0, 0, :pool, :pool].max()) <= 0.004


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(layers, heads, 2, 2\).*got \(1, 1, 2, 3\)"):
        AttentionView(["a", "b"], np.zeros((1, 1, 2, 3)))
    with pytest.raises(ValueError, match="2 tokens but 1 marks"):
        Strip("row", ["a", "b"], marks=["x"])
    with pytest.raises(ValueError, match=r"\(3 stops, 1 series, 2\); got \(2, 1, 2\)"):
        Swept("T", [1, 2, 3], np.zeros((2, 1, 2)), x=["a", "b"])
    with pytest.raises(ValueError, match="parents come before"):
        Tree([Node("a", -1), Node("b", 5)])


PICTURES: list[Any] = [
    AttentionView(["a", "</script>"], np.full((1, 1, 2, 2), 0.5)),
    TokenStrip([Strip("row", ["<b>", " x\n", "", "好"], values=[0, 0.5, 1, 0.2])]),
    TokenStrip([Strip("empty", [])]),
    Tree([Node("root", -1), Node("left", 0, state="dropped"), Node("right", 0, "p = 0.5", "chosen")]),
    Swept("T", [0.1, 0.2], np.zeros((2, 1, 3)), "bars", ["a", "b", "c"]),
    Playback([Frame("First.", [[Cell("l"), None, Cell("o", 0.5, 1, True)]]), Frame("Then.", [[Cell("lo")]])]),
]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: type(picture).__name__)
def test_a_picture_packs_and_stands_in_a_file_of_its_own(picture: Any) -> None:
    header, _ = unpack(payload_of(picture, says="It shows.")[0])
    assert header["says"] == "It shows."
    page = picture_html(picture, says="It shows.")
    assert page.count("</script>") == 1, "nothing in the data may close the script"
    assert "export default" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert picture.table().columns


def test_a_tree_puts_a_parent_in_the_middle_of_its_children_and_no_two_leaves_on_a_line() -> None:
    nodes = [Node("r", -1), Node("a", 0), Node("b", 0), Node("a1", 1), Node("a2", 1), Node("b1", 2)]
    assert layout(Tree(nodes)) == [(0, 1.25), (1, 0.5), (1, 2.0), (2, 0.0), (2, 1.0), (2, 2.0)]


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        ({"index": 2, "number": 7}, Moved(2, 7)),
        ({"index": 9, "number": 1}, None),
        ({"index": -1, "number": 1}, None),
        ({"index": True, "number": 1}, None),
        ({"index": "2", "number": 1}, None),
        ("2", None),
        (None, None),
    ],
)
def test_a_slider_takes_only_its_own_positions(sent: Any, accepted: Moved | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {"slider": {"moved": sent}})
    assert moved("slider", count=5) == accepted


def test_narrow_pictures_share_a_row_and_wide_ones_do_not() -> None:
    narrow = PICTURES[4]
    wide = PICTURES[0]
    assert rows_of({"a": narrow, "b": narrow, "c": narrow, "d": wide, "e": narrow}, pairs=True) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert rows_of({"a": narrow, "b": narrow}, pairs=False) == [["a"], ["b"]]


# --- predictions ------------------------------------------------------------------------------------------------------


def test_the_first_prediction_of_an_experiment_is_the_one_that_counts(session: Session) -> None:
    learner = store.local_learner(session)
    for at, (lab, experiment, right) in enumerate([("one", "wide", False), ("one", "wide", True), ("two", "cold", True)]):
        record_prediction(
            session, learner=learner, lab=lab, experiment=experiment, chosen=f"option {at}", right=right, settings={"d": 2}, at=at, day=0
        )  # fmt: skip
    assert [(found.lab, found.right) for found in list_predictions(session, learner=learner)] == [("one", False), ("one", True), ("two", True)]
    assert first_predictions(session, learner=learner, lab="one")["wide"].right is False
    assert experiments_tried(session, learner=learner) == {"one": 1, "two": 1}
    assert list_predictions(session, learner=learner + 1) == []


@pytest.mark.parametrize("slug", list(catalogue()))
def test_every_experiment_can_be_kept_as_a_card_that_reads_back(session: Session, slug: str) -> None:
    learner = store.local_learner(session)
    lab = load(slug)
    for number, experiment in enumerate(lab.experiments):
        question = as_question(experiment)
        for _ in range(2):
            keep_as_card(session, learner=learner, card=f"try-{slug}-{number}", topic=lab.entry.topic, question=question, at=1)
        assert is_kept(session, card=f"try-{slug}-{number}")
        assert question.form in (Form.PROSE, Form.CHOICE)


def test_a_kept_experiment_with_four_options_is_a_choice() -> None:
    experiment = replace(load(SLUG).experiments[0], options=("a", "b", "c", "d"), right=1, tempting={0: "Not a."})
    question = as_question(experiment)
    assert [option.right for option in question.options] == [False, True, False, False]
    assert read_cards("Q: ?\n")[0] == []


# --- long work --------------------------------------------------------------------------------------------------------


def counting(steps: int) -> Iterator[Progress]:
    for step in range(steps):
        yield Progress(step + 1, steps, partial=step)
    return "done"


def breaking() -> Iterator[Progress]:
    yield Progress(1, 2)
    raise ValueError("the loss became infinite")


def forever() -> Iterator[Progress]:
    step = 0
    while True:
        step += 1
        time.sleep(0.001)
        yield Progress(step, 10**9, partial=step)


def finished(run: Any) -> Any:
    until = time.monotonic() + 5
    while not run.finished and time.monotonic() < until:
        time.sleep(0.005)
    assert run.finished
    return run


def test_long_work_reports_its_steps_and_ends_with_a_result() -> None:
    run = finished(start_run(SimpleNamespace(compute=lambda: counting(5), slug="x"), {}))
    assert (run.result, run.step, run.steps, run.error) == ("done", 5, 5, "")


def test_long_work_can_be_cancelled_and_keeps_what_it_had() -> None:
    run = start_run(SimpleNamespace(compute=lambda: forever(), slug="x"), {})
    while run.partial is None:
        time.sleep(0.001)
    run.cancel()
    assert finished(run).partial >= 1
    assert run.result is None


def test_long_work_that_fails_says_why() -> None:
    run = finished(start_run(SimpleNamespace(compute=lambda: breaking(), slug="x"), {}))
    assert run.error == "ValueError: the loss became infinite"


def test_a_visitor_finds_long_work_under_way_and_later_settings_wait_unless_their_answer_is_there() -> None:
    work = {"quick": lambda: counting(3), "slow": lambda: forever()}
    lab = SimpleNamespace(compute=lambda kind: work[kind](), slug="training")
    first = run_to_show(lab, {"kind": "quick"}, None)
    assert first.result == "done"
    assert run_to_show(lab, {"kind": "slow"}, first) is first
    second = run_to_show(lab, {"kind": "slow"}, None)
    assert not second.finished
    assert run_to_show(lab, {"kind": "quick"}, second) is second, "what is under way is not thrown away"
    second.cancel()
    assert run_to_show(lab, {"kind": "quick"}, finished(second)).result == "done"


# --- what a moved control paints --------------------------------------------------------------------------------------


def asked(slug: str, **given: str) -> dict[str, Any]:
    """The answer to a moved control, read as the browser reads it; {} where there is none."""
    client = TestClient(Starlette(routes=ROUTES))
    answer = client.get("/live/pictures", params={"lab": slug, **given}, headers={"X-Attend": "live"})
    if answer.status_code != 200:
        return {}
    header, arrays = unpack(answer.content)
    return header | {"sent": {name: array.tobytes() for name, array in arrays.items()}}


@pytest.mark.parametrize("slug", list(catalogue()))
def test_a_moved_control_is_answered_with_what_the_screen_would_draw(slug: str) -> None:
    lab = load(slug)
    settings = dict(lab.experiments[0].settings)
    found = asked(slug, **write_settings(lab.defaults, lab.defaults | settings))
    if lab.is_long:
        assert found == {}, "training is started and watched, not answered"
        return
    result = lab.compute(**(lab.defaults | settings))
    figures = lab.figures(result)
    assert found["says"] == lab.says(result)
    assert found["pictures"] == [f"{type(figure).__name__}: {title}" for title, figure in figures.items()]
    for number, figure in enumerate(figures.values()):
        drawn = payload_of(figure, says=found["says"])[0] if isinstance(figure, Picture) else spec_of(figure).encode()
        assert found["sent"][str(number)] == drawn


def test_an_answer_brings_settings_into_range_and_unknown_labs_have_none() -> None:
    assert "At head size 512" in asked(SLUG, d_k="500", rule="<script>", nonsense="1")["says"]
    assert asked("nothing") == asked("../x", d_k="64") == {}
    client = TestClient(Starlette(routes=ROUTES))
    assert client.get("/live/pictures", params={"lab": SLUG}).status_code == 404, "a page of another site can send no such header"


def test_every_control_has_a_face_and_its_value_a_place() -> None:
    for slug in catalogue():
        lab = load(slug)
        for name, control in lab.controls.items():
            if isinstance(control, Text):
                continue
            face = face_of(control)
            for value in (lab.defaults[name], *control.ends()):
                assert not face.values or face.values[place_of(value, face.values)] == value
            assert len(face.stops) == len(face.values)


# --- the page ---------------------------------------------------------------------------------------------------------


def open_bench(**query: str) -> AppTest:
    app = AppTest.from_file(str(HOUSE / "app.py"), default_timeout=60).run()  # the first run tells AppTest that this page is called labs
    for name, value in query.items():
        app.query_params[name] = value
    return app.switch_page("screens/lab_bench.py").run()


def sentence(app: AppTest) -> str:
    """What the lab says of its pictures: a browser component, of which an AppTest sees the data alone."""
    sent = [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.json]
    (said,) = [data["says"] for data in sent if isinstance(data, dict) and "pictures" in data]
    return said


@pytest.mark.parametrize("slug", list(catalogue()))
def test_every_lab_opens_on_the_bench(desk: Any, slug: str) -> None:  # noqa: F811
    app = open_bench(lab=slug)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == catalogue()[slug].title


def test_an_address_sets_the_controls_and_says_what_it_had_to_change(desk: Any) -> None:  # noqa: F811
    app = open_bench(lab=SLUG, d_k="500", rule="foo", n_keys="8")
    assert "At head size 512" in sentence(app)
    notices = " ".join(caption.value for caption in app.caption)
    assert "The nearest step to 500 is 512" in notices.replace("\\", "")
    assert "is none of none" in notices.replace("\\", "")


@pytest.mark.parametrize("slug", ["nothing", "<script>", "../x", "x" * 3000])
def test_a_lab_that_does_not_exist_shows_the_gallery(desk: Any, slug: str) -> None:  # noqa: F811
    app = open_bench(lab=slug)
    assert not app.exception
    assert app.title[0].value == "Labs"
    assert app.warning


def test_a_prediction_is_committed_before_the_run_and_a_wrong_one_can_become_a_card(desk: Any) -> None:  # noqa: F811
    app = open_bench(lab=SLUG)
    experiment = load(SLUG).experiments[0]
    app.button(key=f"commit-{SLUG}-0").click().run()
    assert any("Choose first" in caption.value for caption in app.caption)
    wrong = (experiment.right + 1) % len(experiment.options)
    app.radio(key=f"predict-{SLUG}-0").set_value(wrong).run()
    app.button(key=f"commit-{SLUG}-0").click().run()
    assert not app.exception
    assert "Not what happens" in words(app)
    assert app.query_params["d_k"] == "512"
    app.button(key=f"keep-{SLUG}-0").click().run()
    assert any("In your deck" in caption.value for caption in app.caption)
    engine = store.open_engine()
    with store.reading(engine) as session:
        (kept,) = list_predictions(session, learner=store.local_learner(session), lab=SLUG)
    assert (kept.experiment, kept.chosen, kept.right) == (experiment.title, experiment.options[wrong], False)


def test_a_computed_question_is_asked_and_graded(desk: Any) -> None:  # noqa: F811
    app = open_bench(lab=SLUG)
    radio = next(radio for radio in app.radio if radio.key and radio.key.startswith("quiz-"))
    radio.set_value(0).run()
    app.button(key=f"{radio.key}-go").click().run()
    assert not app.exception
    assert app.success or app.warning


def test_a_lab_stands_in_a_note(desk: Any) -> None:  # noqa: F811
    def page() -> None:
        from screens.parts.lab_view import draw_lab

        draw_lab("scaled-softmax-saturation", compact=True)
        draw_lab("nothing", compact=True)

    app = AppTest.from_function(page, default_timeout=60).run()
    assert [error.value for error in app.error] == [
        f"This lab cannot be shown. there is no lab “nothing”; `python -m screens.labs` lists the {len(catalogue())} there are"
    ]
    assert any("Lab: Dot-product variance" in markdown.value for markdown in app.markdown)
