"""One lab on a page: experiments, controls, pictures, questions, mechanism, comparison. The bench draws it whole, a note in small.

Its settings live in session state under its slug and, on the bench, in the address. Whoever changes them (a widget, an
experiment, a question, a click in a picture) goes through `settle_value`, in a callback, so one run draws the new state.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backend import store
from backend.predictions import Predicted, first_predictions, record_prediction
from backend.review import today_of
from backend.settings import read_settings as learner_settings
from screens.labs import Check, Experiment, Lab, LabError, Value, lab_address, read_settings, write_settings
from screens.labs.catalogue import recorded
from screens.labs.pictures import AttentionView, Playback, TokenStrip, Tree
from screens.labs.shape import closest_call
from screens.parts import desk
from screens.parts.control_panel import draw_controls
from screens.parts.figure_box import draw_figure
from screens.parts.harmless_text import letter_by_letter
from screens.parts.lab_quiz import draw_quiz
from screens.parts.lab_runs import Drawn, Run, draw_result, drawn, frozen, loaded_lab, start_run, verified
from screens.parts.live_answers import live_address, on_the_page
from screens.parts.said import said

AT_ONCE = 0.25  # seconds that a page waits for long work before it shows its progress

# --- settings ---------------------------------------------------------------------------------------------------------


def _state(slug: str) -> dict[str, Any]:
    """What this session knows of a lab: settings, notices, the address they were last read from or written to, the chosen experiment."""
    return st.session_state.setdefault(f"lab:{slug}", {"settings": None, "notices": (), "address": None, "try": 0, "run": None})


def settings_of(lab: Lab, *, in_address: bool) -> dict[str, Value]:
    """The settings now. An address that somebody opened, typed or went back to counts for more than what was here before."""
    state = _state(lab.slug)
    given = {name: value for name, value in st.query_params.items() if name in lab.controls} if in_address else {}
    if state["settings"] is None or (in_address and given != state["address"]):
        state["settings"], state["notices"] = read_settings(lab.controls, lab.defaults, given)
        state["address"] = given if in_address else None
        if in_address and st.query_params.get("try", "").isdecimal():
            state["try"] = min(max(int(st.query_params["try"]), 1), max(len(lab.experiments), 1)) - 1
    return state["settings"]


def change(lab: Lab, given: Mapping[str, object], *, in_address: bool, from_defaults: bool = False) -> None:
    """Set some controls, brought into range, and write the address. Runs in callbacks."""
    state = _state(lab.slug)
    start = lab.defaults if from_defaults or state["settings"] is None else state["settings"]
    state["settings"], state["notices"] = read_settings(lab.controls, start, {name: value for name, value in given.items() if name in lab.controls})
    if in_address:
        state["address"] = write_settings(lab.defaults, state["settings"])
        st.query_params.from_dict({"lab": lab.slug, **state["address"]})


# --- the whole --------------------------------------------------------------------------------------------------------


def draw_lab(slug: str, *, compact: bool = False) -> None:
    """A lab, ready to use. Compact, for a note: controls, pictures and the sentence, and a link to the bench."""
    try:
        loaded_lab(slug)
    except LabError as error:
        st.error(f"This lab cannot be shown. {error}", icon=":material/error:")
        return
    if compact:
        _compact(slug)
    else:
        _whole(slug)


@st.fragment
def _compact(slug: str) -> None:
    lab = loaded_lab(slug)
    settings = settings_of(lab, in_address=False)
    with st.container(border=True, key=f"lab-{slug}-compact"):
        st.markdown(f"**Lab: {lab.title}**")
        _controls(lab, settings, in_address=False, columns=2)
        _pictures(lab, settings, in_address=False, compact=True)
        address = lab_address(slug, write_settings(lab.defaults, settings))
        st.markdown(f":material/science: [Open on the bench: experiments, questions, numbers]({address})")


def _whole(slug: str) -> None:
    """Three fragments: a moved slider redraws controls and pictures alone, for the rest would cost the browser as much again."""
    settings_of(loaded_lab(slug), in_address=True)  # an address may also choose the experiment, which is drawn first
    left, right = st.columns([0.36, 0.64], gap="large")
    with left, st.container(key="lab-side"):
        _experiments(slug)
        panel = st.container(border=True, key=f"lab-{slug}-panel")
    with right:
        pictures = st.container(key="lab-pictures")
    _running(slug, panel, pictures)
    _more(slug)


@st.fragment(key="lab-running")
def _running(slug: str, panel: DeltaGenerator, pictures: DeltaGenerator) -> None:
    settings = settings_of(lab := loaded_lab(slug), in_address=True)
    with panel:
        _controls(lab, settings, in_address=True)
        _reset_and_link(lab, settings)
    with pictures:
        _pictures(lab, settings, in_address=True)


def put_on_controls(lab: Lab, given: Mapping[str, object]) -> None:
    """For callbacks outside the running part: these settings, all others at their defaults, drawn at once."""
    change(lab, given, in_address=True, from_defaults=True)
    st.rerun(["lab-running", "lab-experiments"])


def _controls(lab: Lab, settings: Mapping[str, Value], *, in_address: bool, columns: int = 1) -> None:
    def on_change(name: str, value: object) -> None:
        change(lab, {name: value}, in_address=in_address)

    prefix = key_prefix(lab, compact=not in_address)
    live = live_address(lab, settings)
    if columns == 1:
        draw_controls(lab.controls, settings, prefix=prefix, on_change=on_change, live=live)
    else:
        places = st.columns(columns)
        for index, (name, control) in enumerate(lab.controls.items()):
            with places[index % columns]:
                draw_controls({name: control}, settings, prefix=prefix, on_change=on_change, live=live)
    for notice in _state(lab.slug)["notices"]:
        st.caption(f":material/straighten: {letter_by_letter(notice)}")


def key_prefix(lab: Lab, *, compact: bool) -> str:
    """How the keys of a lab's widgets and pictures begin: the same lab may stand on the bench and in a note."""
    return f"{'note' if compact else 'bench'}-{lab.slug}"


def _reset_and_link(lab: Lab, settings: Mapping[str, Value]) -> None:
    from screens.parts.copy_link import copy_link

    with st.container(horizontal=True, vertical_alignment="center"):
        copy_link({"lab": lab.slug, **write_settings(lab.defaults, settings)}, key=f"link-{lab.slug}")
        st.button(
            "Reset", key=f"reset-{lab.slug}", icon=":material/restart_alt:", disabled=dict(settings) == lab.defaults, type="tertiary",
            on_click=lambda: change(lab, {}, in_address=True, from_defaults=True),
        )  # fmt: skip


def _pictures(lab: Lab, settings: Mapping[str, Value], *, in_address: bool, compact: bool = False) -> None:
    picture = _long_picture(lab, settings, compact=compact) if lab.is_long else _quick_picture(lab, settings)
    if picture is None:
        return

    def on_set(name: str, index: object) -> None:
        change(lab, {name: index}, in_address=in_address)

    prefix = key_prefix(lab, compact=compact)
    said(picture.says, pictures=on_the_page(picture), place=prefix, key=f"{prefix}-says")
    keys = {title: f"{prefix}-picture-{number}" for number, title in enumerate(picture.figures)}
    for row in rows_of(picture.figures, pairs=not compact):
        places = st.columns(len(row), gap="medium") if len(row) > 1 else [st.container()]
        for place, title in zip(places, row):
            with place:
                draw_figure(title, picture.figures[title], says=picture.says, key=keys[title], sets=on_set, compact=compact, spec=picture.specs.get(title, ""))


def rows_of(figures: Mapping[str, Any], *, pairs: bool) -> list[list[str]]:
    """Titles row by row: what is wide has a row to itself, two narrow neighbours share one."""
    rows: list[list[str]] = []
    for title, figure in figures.items():
        before = rows[-1] if rows else []
        if pairs and len(before) == 1 and not is_wide(figures[before[0]]) and not is_wide(figure):
            before.append(title)
        else:
            rows.append([title])
    return rows


def is_wide(figure: Any) -> bool:
    """Our own pictures carry their controls with them, and a legend of three or more takes room."""
    return isinstance(figure, AttentionView | TokenStrip | Tree | Playback) or len(getattr(figure, "data", ())) > 2


def _quick_picture(lab: Lab, settings: Mapping[str, Value]) -> Drawn | None:
    try:
        return drawn(lab.slug, frozen(settings))
    except Exception as error:
        st.error(f"At these settings the lab stopped: {error}", icon=":material/error:")
        return None


# --- long work --------------------------------------------------------------------------------------------------------


def _long_picture(lab: Lab, settings: Mapping[str, Value], *, compact: bool) -> Drawn | None:
    state = _state(lab.slug)
    run = state["run"] = run_to_show(lab, settings, state["run"])
    key = key_prefix(lab, compact=compact)
    with st.container(horizontal=True, vertical_alignment="center"):
        busy = not run.finished

        def begin() -> None:
            state["run"] = start_run(lab, settings)

        st.button("Run", key=f"{key}-run", icon=":material/play_arrow:", type="primary", disabled=busy, on_click=begin)
        st.button("Cancel", key=f"{key}-cancel", icon=":material/stop:", disabled=not busy, on_click=run.cancel)
    progress = st.container()  # a place of its own: what a fragment writes into the pictures' container comes last in it
    if busy:
        with progress:
            _watch(lab.slug)
    elif run.error:
        st.error(f"The run stopped: {run.error}", icon=":material/error:")
    elif run.cancelled.is_set():
        st.caption(f"Cancelled after {run.step} of {run.steps} steps; this is what it had reached.")
    if run.settings != dict(settings):
        st.caption("The pictures show the settings of the last run; press Run for the new ones.")
    shown = run.result if run.result is not None else run.partial
    return draw_result(lab, shown) if shown is not None else None


def run_to_show(lab: Lab, settings: Mapping[str, Value], before: Run | None) -> Run:
    """A visitor finds the lab at work. Later settings wait for Run, unless their answer is there at once."""
    if before is None:
        run = start_run(lab, settings)
        run.within(AT_ONCE)
        return run
    state = _state(lab.slug)
    if before.finished and before.settings != dict(settings) and state.get("too-long") != settings:
        run = start_run(lab, settings)
        if run.within(AT_ONCE):
            return run
        run.cancel()
        state["too-long"] = dict(settings)
    return before


@st.fragment(run_every=0.5)
def _watch(slug: str) -> None:
    """Polls a run; at its end and for each new partial picture the page around it is drawn again."""
    run: Run | None = _state(slug)["run"]
    if run is None:
        return
    left = run.left(time.monotonic())
    ahead = f", about {left:.0f} s to go" if left is not None else ""
    st.progress(min(run.step / run.steps, 1.0), text=f"Step {run.step} of {run.steps}{ahead}. {run.note}")
    seen = st.session_state.get(f"lab:{slug}:seen")
    now = (id(run.partial), run.finished)
    if seen != now:
        st.session_state[f"lab:{slug}:seen"] = now
        if seen is not None:
            st.rerun()


# --- experiments ------------------------------------------------------------------------------------------------------


@st.fragment(key="lab-experiments")
def _experiments(slug: str) -> None:
    lab = loaded_lab(slug)
    if not lab.experiments:
        return
    state = _state(lab.slug)
    with store.reading(desk.engine()) as session:
        first = first_predictions(session, learner=desk.learner(), lab=lab.slug)
    with st.container(border=True, key=f"lab-{lab.slug}-try"):
        numbers = range(len(lab.experiments))
        picker = f"try-{lab.slug}"
        st.session_state[picker] = state["try"]

        def picked() -> None:
            state["try"] = st.session_state[picker]

        st.segmented_control(
            "Predict, then run", numbers, key=picker, required=True, on_change=picked,
            format_func=lambda at: f"{at + 1}{_mark(first.get(lab.experiments[at].title))}",
        )  # fmt: skip
        _experiment(lab, lab.experiments[state["try"]], state["try"], first)


def _mark(predicted: Predicted | None) -> str:
    return "" if predicted is None else " ✓" if predicted.right else " ✗"


def _experiment(lab: Lab, experiment: Experiment, number: int, first: Mapping[str, Predicted]) -> None:
    state = _state(lab.slug)
    open_again = state.setdefault("again", set())
    last: dict[int, int] = state.setdefault("chosen", {})
    st.markdown(f"**{experiment.title}**\n\n{experiment.ask}")
    before = first.get(experiment.title)
    if before is None or number in open_again:
        _predict(lab, experiment, number)
        return
    chosen = last.get(number, _index(experiment, before.chosen))
    _verdict(experiment, chosen)
    with st.container(horizontal=True):
        st.button(
            "Show it", key=f"show-{lab.slug}-{number}", icon=":material/play_arrow:",
            on_click=lambda: put_on_controls(lab, experiment.settings),
        )  # fmt: skip
        st.button("Predict again", key=f"again-{lab.slug}-{number}", type="tertiary", on_click=lambda: open_again.add(number))
        if number + 1 < len(lab.experiments):
            st.button(
                "Next",
                key=f"next-{lab.slug}-{number}",
                icon=":material/arrow_forward:",
                type="tertiary",
                on_click=lambda: state.update({"try": number + 1}),
            )
    if chosen != experiment.right:
        _offer_card(lab, experiment, number)


def _index(experiment: Experiment, text: str) -> int:
    return experiment.options.index(text) if text in experiment.options else -1


def _predict(lab: Lab, experiment: Experiment, number: int) -> None:
    key = f"predict-{lab.slug}-{number}"
    st.radio("Your prediction", range(len(experiment.options)), format_func=experiment.options.__getitem__, index=None, key=key, on_change="ignore")

    def commit() -> None:
        chosen = st.session_state.get(key)
        if chosen is None:
            st.session_state[f"{key}-empty"] = True
            return
        st.session_state.pop(f"{key}-empty", None)
        remember(lab, experiment, chosen)
        state = _state(lab.slug)
        state.setdefault("again", set()).discard(number)
        state.setdefault("chosen", {})[number] = chosen
        if lab.is_long:
            state["run"] = start_run(lab, lab.defaults | dict(experiment.settings))
        put_on_controls(lab, experiment.settings)

    st.button("Commit and run", key=f"commit-{lab.slug}-{number}", type="primary", icon=":material/play_arrow:", on_click=commit)
    if st.session_state.get(f"{key}-empty"):
        st.caption("Choose first: a prediction that was never made teaches nothing.")


def remember(lab: Lab, experiment: Experiment, chosen: int) -> None:
    at = store.now()
    with store.writing(desk.engine()) as session:
        day = today_of(learner_settings(session, learner=desk.learner()), at)
        record_prediction(
            session, learner=desk.learner(), lab=lab.slug, experiment=experiment.title, chosen=experiment.options[chosen],
            right=chosen == experiment.right, settings=experiment.settings, at=at, day=day,
        )  # fmt: skip


def _verdict(experiment: Experiment, chosen: int) -> None:
    lines = []
    for index, option in enumerate(experiment.options):
        sign = "✓" if index == experiment.right else "✗" if index == chosen else "○"
        yours = " *(yours)*" if index == chosen else ""
        lines.append(f"{sign} {'**' + option + '**' if index == experiment.right else option}{yours}")
    st.markdown("  \n".join(lines))
    said = ["**Right.**" if chosen == experiment.right else "**Not what happens.**", experiment.why]
    if chosen != experiment.right and experiment.tempting and chosen in experiment.tempting:
        said.insert(1, experiment.tempting[chosen])
    st.markdown(" ".join(said))
    st.markdown(f":material/search: {experiment.look}")


def _offer_card(lab: Lab, experiment: Experiment, number: int) -> None:
    from screens.parts.lab_quiz import keep_experiment, kept_experiment

    if kept_experiment(lab, number):
        st.caption(":material/check: In your deck; it comes up in review.")
    else:
        st.button(
            "Keep this as a card", key=f"keep-{lab.slug}-{number}", icon=":material/style:", on_click=lambda: keep_experiment(lab, experiment, number)
        )


# --- questions, mechanism, comparison ---------------------------------------------------------------------------------


@st.fragment
def _more(slug: str) -> None:
    lab = loaded_lab(slug)
    quiz, mechanism, checked = st.tabs(["Quiz me on this", "Show the mechanism", "Checked against"], key=f"more-{lab.slug}", on_change="rerun")
    with quiz:
        if quiz.open:
            draw_quiz(lab, show=lambda settings: put_on_controls(lab, settings))
    with mechanism:
        if mechanism.open:
            _mechanism(lab)
    with checked:
        if checked.open:
            _comparison(lab)


def _mechanism(lab: Lab) -> None:
    st.markdown("This is the code that runs, not a picture of it.")
    for function in lab.mechanism:
        path = f"{function.__module__.replace('.', '/')}.py"
        st.markdown(f"`{path}`, line {inspect.getsourcelines(function)[1]}")
        st.code(inspect.getsource(function), language="python")


def _comparison(lab: Lab) -> None:
    st.markdown(f"Reference: {lab.entry.reference}.")
    key = f"verified-{lab.slug}"

    def run() -> None:
        try:
            st.session_state[key] = verified(lab.slug)
        except Exception as error:
            st.session_state[key] = f"The comparison did not run: {error}"

    st.button("Run the comparison now", key=f"verify-{lab.slug}", icon=":material/verified:", on_click=run)
    found = st.session_state.get(key)
    if isinstance(found, str):
        st.error(found)
    elif found:
        st.markdown(badge(found))
        rows = [f"| {'✓' if check.passed else '✗'} | {check.what} | {check.against} | {check.difference:.1e} | {limit(check)} |" for check in found]
        st.markdown("\n".join(["| | what | against | largest difference | tolerance |", "|---|---|---|---|---|", *rows]))


def limit(check: Check) -> str:
    return f"{check.tolerance:.0e}" if check.tolerance else "exact"


def badge(checks: list[Check]) -> str:
    failed = [check for check in checks if not check.passed]
    if failed:
        return f":red-badge[:material/error: {len(failed)} of {len(checks)} comparisons fail]"
    closest = closest_call(checks)
    return agreement(len(checks), closest.difference, closest.tolerance)


def agreement(count: int, difference: float, tolerance: float) -> str:
    found = f"the closest call differs by {difference:.1e}, {tolerance:.0e} is allowed" if difference else "all equal"
    return f":green-badge[:material/verified: {count} comparisons with the reference agree; {found}]"


def recorded_badge(slug: str) -> str:
    """From the recorded comparison; empty for a lab that has none yet."""
    found = recorded().get(slug)
    return agreement(int(found["checks"]), found["difference"], found["tolerance"]) if found else ""
