"""Who drives: one at a time, until control is handed over or the driver is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboards.live.people import Person, Wheel
from dashboards.live.refusal import Refusal


class Later:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.acts: list[Callable[[], None]] = []

    def __call__(self, seconds: float, act: Callable[[], None]) -> None:
        self.acts.append(act)

    def passes(self) -> None:
        acts, self.acts = self.acts, []
        for act in acts:
            act()


ANN, BEN = Person("a", "Ann"), Person("b", "Ben")
EYE = Person("e", "Eve", "observer", frozenset({"read"}), frozenset())


def test_the_first_drives_and_the_second_watches_until_control_is_handed_over() -> None:
    wheel = Wheel(lambda: None, Later())
    wheel.came(EYE)
    wheel.came(ANN)
    wheel.came(BEN)
    assert wheel.driver is ANN  # who may only look does not take the wheel
    with pytest.raises(Refusal) as refused:
        wheel.drive(BEN)
    assert refused.value.status == 409 and "Ann" in refused.value.text("zh")
    with pytest.raises(Refusal) as refused:
        wheel.drive(EYE)
    assert refused.value.status == 403
    wheel.ask(BEN)
    assert list(wheel.asking) == ["b"]
    with pytest.raises(Refusal):
        wheel.hand_over(ANN, "e")
    wheel.hand_over(ANN, "b")
    assert wheel.driver is BEN and not wheel.asking


def test_a_driver_whose_connection_is_gone_keeps_the_wheel_for_a_moment_only() -> None:
    later = Later()
    wheel = Wheel(lambda: None, later)
    wheel.came(ANN)
    wheel.gone(ANN)
    wheel.came(ANN)  # back in time
    later.passes()
    assert wheel.driver is ANN
    wheel.gone(ANN)
    assert wheel.driver is ANN
    later.passes()
    assert wheel.driver is None
    wheel.drive(BEN)
    assert wheel.driver is BEN
