"""Fans of dust collectors: with the mixer, and for a minute after it."""

from __future__ import annotations

import numpy as np
import pytest

from control import collectors
from twin.design.load import load_design
from twin.plant import Plant

SCAN = 10


@pytest.fixture
def program():
    """Memory of all fans of a plant with two lines, and its image."""
    plant = Plant(load_design("twin-hzs240"))
    rows = collectors.memory(plant.table)
    memory = np.zeros(len(rows), dtype=collectors.COLLECTOR)
    for i, row in enumerate(rows):
        for field, value in row.items():
            memory[field][i] = value
    return plant, memory


def scan(plant, memory, ticks):
    for c in memory:
        collectors.scan(c, plant.image.values, ticks)


def fans(plant):
    return {e.name: plant.image[f"{e.name}.FanRun"] for e in plant.table.of_kind("dust_collector") if f"{e.name}.FanRun" in plant.table}


def test_a_fan_runs_with_its_own_lines_mixer_and_a_minute_longer(program):
    plant, memory = program
    assert len(memory) == 4
    scan(plant, memory, 0)
    assert not any(fans(plant).values()), "nothing has run yet"
    plant.image["Line1.Mixer.Run"] = 1
    scan(plant, memory, SCAN)
    assert all(on == name.startswith("Line1.") for name, on in fans(plant).items())
    plant.image["Line1.Mixer.Run"] = 0
    on = []
    for tick in range(2 * SCAN, 7000, SCAN):
        scan(plant, memory, tick)
        on.append(bool(plant.image["Line1.Collector.Mixer.FanRun"]))
    assert sum(on) == 6000 / SCAN and not on[-1]


def test_a_mixer_that_starts_again_meanwhile_keeps_it_running(program):
    plant, memory = program
    for tick in range(SCAN, 20_000, SCAN):
        plant.image["Line1.Mixer.Run"] = tick % 5000 < 1000
        scan(plant, memory, tick)
        assert plant.image["Line1.Collector.Mixer.FanRun"] or tick < SCAN


def test_filters_without_a_fan_need_no_program(program):
    plant, memory = program
    vents = [e.name for e in plant.table.of_kind("dust_collector") if e.name.endswith(".Filter")]
    assert vents and not any(f"{v}.FanRun" in plant.table for v in vents)
