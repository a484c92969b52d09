"""Site plan: grounds, ways, monitors, cameras and what they see."""

from __future__ import annotations

from dashboards import site_map
from dashboards.facts import Facts
from dashboards.pieces import Note, Picture, Section, Text


def section(facts: Facts) -> Section:
    """The plan of the site as the run's design has it."""
    plan = site_map.of_run(facts.info)
    missing = Note(Text("The design in this run is not one of this version's.", "该运行的设计与本版本不符。"), "nothing")
    return Section("site", Text("Site plan", "总平面图"), [Picture(plan["en"], plan["zh"]) if plan else missing])
