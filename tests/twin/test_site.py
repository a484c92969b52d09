"""The site plan: what is a mistake in it, and how it becomes points and levels."""

from __future__ import annotations

import numpy as np
import pytest
from machines import design_with

from twin import geometry
from twin.design.schema import mistakes
from twin.equipment.part import Motor

STATION = {"at": (60.0, 90.0)}


@pytest.mark.parametrize(
    ("site", "where", "problem"),
    [
        ({"sound_db": {"lorry": 100.0}}, ("site", "sound_db"), "no kind of machine 'lorry'"),
        ({"clad": ["mixer", "tower"]}, ("site", "clad"), "no kind of machine 'tower'"),
        ({"monitors": {"Far": {"at": (60_000.0, 0.0)}}}, ("site", "monitors", "Far", "at"), "more than 10 km"),
        ({"neighbours": {"Far": {"at": (0.0, -20_000.0)}}}, ("site", "neighbours", "Far", "at"), "more than 10 km"),
        ({"places": {"Yard": {"at": (3000.0, 0.0)}}}, ("site", "places", "Yard"), "outside the fence"),
        ({"walls": {"W": {"ends": ((5.0, 5.0), (5.0, 5.0)), "height_m": 3}}}, ("site", "walls", "W", "ends"), "no length"),
        ({"neighbours": {"North": STATION}}, ("site", "neighbours", "North"), "name of a station"),
        ({"places": {"Yard": {}}}, ("site", "places", "Yard"), "stands nowhere"),
        ({"places": {"Road": {"at": (1, 1), "line": [(1, 1), (2, 2)]}}}, ("site", "places", "Road"), "a point and a line"),
        ({"places": {"Road": {"line": [(1, 1), (1, 1)]}}}, ("site", "places", "Road", "line"), "no length"),
    ],
)
def test_a_mistake_is_told(site, where, problem):
    assert any(at == where and problem in text for at, text, _ in mistakes(design_with("hzs180", **site)))


@pytest.mark.parametrize("site", [{"monitors": {"North.1": STATION}}, {"monitors": {"O'Neill": STATION}}, {"neighbours": {"a b": STATION}},
                                  {"sprays": {"Yard.2": {"wets": "Yard", "area_m2": 10}}}])  # fmt: skip
def test_what_is_no_name_for_a_tag_is_refused(site):
    with pytest.raises(ValueError, match="pattern"):
        design_with("hzs180", **site)


def test_the_packaged_plan_has_none():
    assert not list(mistakes(design_with("hzs180")))


@pytest.mark.parametrize("level", [-1.0, 151.0])
def test_a_sound_power_is_between_0_and_150_db(level):
    with pytest.raises(ValueError, match="sound_db"):
        design_with("hzs180", sound_db={"loader": level})


def test_one_sound_power_leaves_the_others_alone():
    plan = design_with("hzs180", sound_db={"loader": 100.0}).site
    assert plan.power_db("loader") == 100.0 and plan.power_db("truck") == 104.0
    assert plan.power_db("mixer") == 93.0 - plan.cladding_db


def test_lines_stand_side_by_side():
    design = design_with("twin-hzs240")
    lines = list(design.lines)
    places = [design.site.place(name, lines).at for name in lines]
    assert places == [(60.0, 35.0), (60.0, 55.0)]
    points, owner = geometry.plume([f"{name}.Tower" for name in lines], design.site, lines)
    assert points[:, 1].tolist() == [35.0, 55.0] and owner.tolist() == [0, 1]


def test_a_road_is_points_along_its_line():
    plan = design_with("hzs180", places={"Road": {"line": [(0.0, 0.0), (30.0, 0.0), (30.0, 10.0)], "width_m": 6}}).site
    points, owner = geometry.plume(["Road"], plan)
    assert points[:, :2].tolist() == [[5, 0], [15, 0], [25, 0], [30, 5]] and (owner == 0).all()
    np.testing.assert_allclose(points[:, 5], 0.25)
    np.testing.assert_allclose(points[:, 3], 10 / 4.3)


def test_trucks_are_heard_along_the_road():
    plan = design_with("hzs180", places={"Road": {"line": [(0.0, 45.0), (120.0, 45.0)]}}).site
    spot = design_with("hzs180", places={"Road": {"at": (60.0, 45.0)}}).site
    motor = [Motor("Site.Road.Trucks", 0.0, "truck")]
    along, middle = (geometry.sound(motor, p)[:, 0] for p in (plan, spot))
    assert along[0] > middle[0] and along[2] > middle[2]  # west and east, at the ends of the road
    assert along[1] < middle[1] and along[3] < middle[3]


def test_the_ground_method_of_the_design_is_used():
    motor = [Motor("Line1.Mixer", 110.0, "mixer")]
    far = {"neighbours": {"House": {"at": (400.0, 45.0)}}}
    spectral, weighted = (geometry.sound(motor, design_with("hzs180", ground_method=m, **far).site) for m in ("spectral", "a_weighted"))
    assert 10 * np.log10(weighted[4, 0] / spectral[4, 0]) < -2.0  # porous ground in place of paving
