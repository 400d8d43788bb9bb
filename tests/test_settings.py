"""Settings: typed, bounded, explained, and never in the way."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from backend.settings import SETTINGS, SettingError, Settings, change_setting, read_settings, reset_setting
from backend.store import reading, writing
from backend.tables import Learner
from tests.sample_desk import make_desk


@pytest.fixture
def desk(tmp_path):
    return make_desk(tmp_path, topics=1, cards=1)


def change(engine, name: str, value: object) -> object:
    with writing(engine) as session:
        return change_setting(session, learner=1, name=name, value=value)


def test_the_table_and_the_record_agree_and_every_setting_says_what_it_does_in_a_sentence():
    defaults = Settings()
    assert {setting.name for setting in SETTINGS} == set(Settings.__dataclass_fields__)
    for setting in SETTINGS:
        assert getattr(defaults, setting.name) == setting.default
        assert setting.says.endswith(".")
        assert len(setting.says.split()) >= 8
        assert setting.checked(setting.default) == setting.default
        assert not setting.choices or setting.default in setting.choices


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("desired_retention", 0.85, 0.85),
        ("learning_steps", "1m 10m", (1.0, 10.0)),
        ("learning_steps", "", ()),
        ("relearning_steps", [5, 20], (5.0, 20.0)),
        ("new_per_day", 7.0, 7),
        ("review_order", "overdue", "overdue"),
        ("time_zone", "Asia/Shanghai", "Asia/Shanghai"),
        ("easy_days", [1, 1, 1, 1, 1, 0.5, 0], (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0)),
        ("today_only", {"day": 20514, "new": 3}, {"day": 20514, "new": 3}),
        ("fuzz", False, False),
    ],
)
def test_a_changed_setting_is_read_back_in_its_type(desk, name, value, stored):
    assert change(desk, name, value) == stored
    with reading(desk) as session:
        found = getattr(read_settings(session, learner=1), name)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("desired_retention", 0.69, r"desired_retention: expected a value from 0.7 to 0.99, got 0.69"),
        ("desired_retention", float("nan"), "expected a value from 0.7 to 0.99"),
        ("new_per_day", 2.5, "expected a whole number, got 2.5"),
        ("new_per_day", True, "expected a whole number, got True"),
        ("fuzz", "yes", "expected yes or no, got 'yes'"),
        ("review_order", "alphabet", "expected one of due, retrievability, overdue, random, got 'alphabet'"),
        ("time_zone", "Berlin", "such as Europe/Berlin, got 'Berlin'"),
        ("easy_days", [1, 1], "expected 7 numbers, got 2"),
        ("parameters", [1.0] * 19, "expected 21 numbers, got 19"),
        ("learning_steps", "soon", "could not convert"),
        ("today_only", {"reviewz": 3}, "expected the keys day, new and reviews"),
        ("volume", 11, "There is no setting 'volume'; there are desired_retention"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(desk, name, value, says):
    with pytest.raises(SettingError, match=says):
        change(desk, name, value)
    with reading(desk) as session:
        assert read_settings(session, learner=1) == Settings()


def test_a_stored_value_that_no_longer_fits_is_read_as_the_default(desk):
    change(desk, "new_per_day", 7)
    with writing(desk) as session:
        session.connection().execute(text("UPDATE setting SET value = '-5' WHERE name = 'new_per_day'"))
        session.connection().execute(text("INSERT INTO setting (learner, name, value) VALUES (1, 'gone', '1'), (1, 'fuzz', 'not json')"))
        assert read_settings(session, learner=1) == Settings()


def test_settings_belong_to_one_learner_and_can_be_reset(desk):
    with writing(desk) as session:
        session.add(Learner(id=2, name="other", created_at=0))
        session.flush()
        change_setting(session, learner=2, name="new_per_day", value=3)
        assert read_settings(session, learner=1).new_per_day == 20
        assert read_settings(session, learner=2).new_per_day == 3
        reset_setting(session, learner=2, name="new_per_day")
        assert read_settings(session, learner=2) == Settings()


def test_other_limits_for_today_end_with_the_day():
    settings = Settings(new_per_day=10, reviews_per_day=100, today_only={"day": 20514, "new": 0})
    assert settings.limits(20514) == (0, 100)
    assert settings.limits(20515) == (10, 100)
