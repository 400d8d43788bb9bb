"""Long work of a lab that several pages may look at."""

from collections.abc import Iterator

from screens.labs.watched import Watched


def test_whoever_comes_later_sees_all_stages_and_none_is_done_twice() -> None:
    done: list[int] = []

    def work() -> Iterator[int]:
        for stage in range(4):
            done.append(stage)
            yield stage

    watched = Watched(work())
    first = iter(watched)
    assert [next(first), next(first)] == [0, 1]
    assert done == [0, 1]
    assert list(watched) == [0, 1, 2, 3]
    assert list(first) == [2, 3]
    assert done == [0, 1, 2, 3]
