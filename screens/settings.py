"""Settings: everything one can change, one sentence each.

Who sits here: somebody whose day is too full or too empty. In the first ten seconds they want the one number that changes
that. Anki has it all but explains little; here every setting says what it does and what it changes for tomorrow.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend import review, store
from backend.backups import back_up, list_backups, restore
from backend.settings import SETTINGS, Setting, SettingError, change_setting, read_settings, reset_setting
from screens.parts import desk
from screens.parts.exam_plan import offer_exam_plan
from screens.parts.memory_fit import offer_fit

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PERCENT = {"desired_retention"}


def save(setting: Setting) -> None:
    """Write one changed setting; a value it cannot take is refused with a sentence and the old one stays."""
    typed = st.session_state[f"set-{setting.name}"]
    try:
        with store.writing(desk.engine()) as session:
            change_setting(session, learner=desk.learner(), name=setting.name, value=value_of(setting, typed))
        st.session_state.pop("setting-problem", None)
        st.toast(f"{setting.label}: saved.")
    except SettingError as problem:
        st.session_state["setting-problem"] = (setting.name, str(problem))


def value_of(setting: Setting, typed: Any) -> Any:
    if setting.name in PERCENT:
        return typed / 100
    if setting.name == "easy_days":
        return tuple(1.0 if day in typed else 0.0 for day in WEEKDAYS)
    if isinstance(setting.default, tuple):
        try:
            return tuple(float(part) for part in typed.replace(",", " ").split())
        except ValueError:
            raise SettingError(f"{setting.label}: expected minutes such as 1 10, came {typed[:40]!r}") from None
    return typed


def draw(setting: Setting, value: Any) -> None:
    common: dict[str, Any] = {"key": f"set-{setting.name}", "on_change": save, "args": (setting,)}
    match value:
        case bool():
            st.toggle(setting.label, value, **common)
        case float() if setting.name in PERCENT:
            st.slider(setting.label, int(100 * (setting.low or 0)), int(100 * (setting.high or 1)), round(value * 100), format="%d%%", **common)
        case int():
            st.number_input(setting.label, int(setting.low or 0), int(setting.high or 10**6), value, **common)
        case str() if setting.choices:
            st.selectbox(setting.label, setting.choices, setting.choices.index(value), **common)
        case str():
            st.selectbox(setting.label, zones(), zones().index(value), **common)
        case tuple() if setting.name == "easy_days":
            st.pills(setting.label, WEEKDAYS, default=[day for day, share in zip(WEEKDAYS, value) if share > 0.5], selection_mode="multi", **common)
        case tuple():
            st.text_input(setting.label, " ".join(f"{minutes:g}" for minutes in value), max_chars=60, **common)
    st.caption(setting.says)
    wrong = st.session_state.get("setting-problem")
    if wrong and wrong[0] == setting.name:
        st.warning(wrong[1])


@st.cache_data(max_entries=1, show_spinner=False)
def zones() -> list[str]:
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def today_only() -> None:
    """Other limits for this one day."""
    at = store.now()
    with store.reading(desk.engine()) as session:
        settings = read_settings(session, learner=desk.learner())
    day = review.today_of(settings, at)
    new, reviews = settings.limits(day)

    def keep() -> None:
        limits = {"day": day, "new": int(st.session_state["today-new"]), "reviews": int(st.session_state["today-reviews"])}
        with store.writing(desk.engine()) as session:
            change_setting(session, learner=desk.learner(), name="today_only", value=limits)

    def usual() -> None:
        with store.writing(desk.engine()) as session:
            reset_setting(session, learner=desk.learner(), name="today_only")

    with st.form("today-only"):
        st.markdown("**For today only**")
        left, right = st.columns(2)
        left.number_input("New cards", 0, 9999, new, key="today-new")
        right.number_input("Reviews", 0, 9999, reviews, key="today-reviews")
        st.form_submit_button("Use for today", on_click=keep)
        st.form_submit_button("Back to the usual limits", on_click=usual)


def backups() -> None:
    st.markdown("A copy of everything is made each day before the first grade and before each upgrade, and kept for 14 days, then one a month.")

    def copy_now() -> None:
        made = back_up(desk.engine(), at=store.now())
        st.toast(f"Copied to {made}" if made else "This database has no file to copy.")

    st.button("Back up now", on_click=copy_now, key="back-up")
    copies = list_backups(desk.engine())
    if not copies:
        st.caption("No copies yet.")
        return
    chosen = st.selectbox("Copies", copies, format_func=lambda b: f"{desk.moment(b.at)} · {b.reason} · {b.size / 1e6:.1f} MB", key="backup-chosen")
    sure = st.checkbox("Put this copy in the place of the present state (which is copied first)", key="restore-sure")

    def put_back() -> None:
        try:
            restore(desk.engine(), chosen.path, at=store.now())
            st.session_state.pop("sitting", None)
            st.toast("Restored.")
        except store.StoreError as problem:
            st.session_state["setting-problem"] = ("backups", str(problem))

    st.button("Restore", disabled=not sure, on_click=put_back, key="restore")
    wrong = st.session_state.get("setting-problem")
    if wrong and wrong[0] == "backups":
        st.warning(wrong[1])


def main() -> None:
    with store.reading(desk.engine()) as session:
        values = read_settings(session, learner=desk.learner())
    with st.container(key="column"):
        st.title("Settings", anchor=False)
        groups = list(dict.fromkeys(setting.group for setting in SETTINGS if setting.group != "Memory"))
        for group in groups:
            st.subheader(group, anchor=False)
            if group == "Limits":
                today_only()
            for setting in SETTINGS:
                if setting.group == group and setting.name != "today_only":
                    draw(setting, getattr(values, setting.name))
        st.subheader("Memory", anchor=False)
        offer_fit()
        st.subheader("An exam", anchor=False)
        offer_exam_plan()
        st.subheader("Backups", anchor=False)
        backups()


main()
