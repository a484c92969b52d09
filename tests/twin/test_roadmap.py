"""The road map: quickest ways by trying all, drives over the turn of an hour by hand, and every mistake in a district as one line."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from twin.design.district import KINDS, District, Grid, Road, mistakes
from twin.errors import BatchtwinError
from twin.kernels.track import position
from twin.roadmap import Map, Route

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def town():
    """The map of a plant that has none of its own."""
    return Map(District())


def free_s(map, route: Route):
    """Drive over a route at free flow, s, from its lengths."""
    return float((route.length_km / map.free_km_h[route.kind]).sum() * HOUR_S)


def district(**more):
    """Plant and three places in a square of 3 km, and what a test changes."""
    plan = {
        "places": {"Plant": (0, 0), "East": (3, 0), "North": (0, 3), "Far": (3, 3)},
        "roads": [{"ends": ends} for ends in (("Plant", "East"), ("East", "Far"), ("Far", "North"), ("North", "Plant"))],
    }
    return District.model_validate(plan | more)


def long_road(km, **more):
    """One street without end; at 36 km/h a second is 10 m."""
    return Map(District(places={"Plant": (0, 0), "End": (km, 0)}, roads=[Road(ends=("Plant", "End"))], free_km_h={"street": 36.0}, **more))


def random_town(seed):
    """A few places, some roads between them, some of them twice."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    places = {f"P{i}": tuple(rng.uniform(-5, 5, 2)) for i in range(n)}
    pairs = [(i, int(rng.integers(i))) for i in range(1, n)]  # a tree joins them all
    pairs += [(a, b) for a, b in rng.integers(n, size=(8, 2)).tolist() if a != b]
    roads = []
    for a, b in pairs:
        straight = float(np.hypot(*np.subtract(places[f"P{a}"], places[f"P{b}"])))
        roads.append(Road(ends=(f"P{a}", f"P{b}"), kind=KINDS[rng.integers(3)], length_km=straight * rng.uniform(1, 2)))
    return Map(District(places=places, roads=roads, plants={"Line1": "P0"}))


# --- ways -------------------------------------------------------------------------------------------------


def quickest_by_trying_all(map, a, b):
    """Every order of the other places, with the quickest road of each pair."""
    best = np.inf if a != b else 0.0
    speed = map.district.free_km_h
    road_s = {}
    for road in map.district.roads:
        i, j = (map.places.index(end) for end in road.ends)
        t = road.length_km / getattr(speed, road.kind) * HOUR_S
        road_s[i, j] = road_s[j, i] = min(t, road_s.get((i, j), np.inf))
    others = [i for i in range(len(map.places)) if i not in (a, b)]
    for count in range(len(others) + 1):
        for between in itertools.permutations(others, count):
            way = (a, *between, b)
            if a != b:
                best = min(best, sum(road_s.get(pair, np.inf) for pair in itertools.pairwise(way)))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_quickest_way_is_the_best_of_all(seed):
    map = random_town(seed)
    for a, b in itertools.product(range(len(map.places)), repeat=2):
        route = map.route(a, b)
        assert (route.places[0], route.places[-1]) == (a, b)
        assert len(route.places) == len(route.length_km) + 1 == len(route.kind) + 1
        assert free_s(map, route) == pytest.approx(quickest_by_trying_all(map, a, b), rel=1e-12)
        assert free_s(map, route) == pytest.approx(map.away_s(a)[b], rel=1e-12)
        assert route.km == pytest.approx(route.length_km.sum(), rel=1e-12)


def test_there_and_back_take_the_same_at_free_flow_and_no_way_round_is_quicker(town):
    rng = np.random.default_rng(7)
    for a, b, c in rng.integers(len(town.places), size=(100, 3)):
        ab, bc, ac, ba = (free_s(town, town.route(int(i), int(j))) for i, j in ((a, b), (b, c), (a, c), (b, a)))
        assert ab == pytest.approx(ba, rel=1e-12)
        assert ac <= ab + bc + 1e-6


def test_no_way_is_shorter_than_the_straight_line_and_none_is_absurd(town):
    start = town.place("Plant")
    for b in range(len(town.places)):
        straight = float(np.hypot(*(town.xy_km[b] - town.xy_km[start])))
        assert straight - 1e-9 <= town.route(start, b).km <= 2.0 * straight + 1.0


def test_a_route_is_found_once(town):
    assert town.route(3, 400) is town.route(3, 400)


def test_a_way_to_where_one_is():
    map = Map(district())
    route = map.route(2, 2)
    assert route.places.tolist() == [2] and route.km == 0.0
    assert route.drive(map, 100.0, False).tolist() == [0.0]


def test_a_deviation_takes_longer_and_repeats(town):
    a, b = town.place("Plant"), town.at_drive(town.place("Plant"), 1800.0, "Site")
    direct = free_s(town, town.route(a, b))
    others = [town.detour(a, b, key) for key in range(50)]
    for key, route in enumerate(others):
        assert route is town.detour(a, b, key)
        assert (route.places[0], route.places[-1]) == (a, b)
        assert set(route.places.tolist()) - set(town.route(a, b).places.tolist())
        assert 1.1 * direct - 1e-6 <= free_s(town, route) <= 1.6 * direct + 1e-6
        assert all(pair in town._roads for pair in itertools.pairwise(route.places.tolist()))
    assert len({tuple(route.places) for route in others}) > 20


@pytest.mark.parametrize("seed", range(20))
def test_a_deviation_on_any_map_arrives_and_is_not_quicker(seed):
    map = random_town(seed)
    for a, b in itertools.product(range(len(map.places)), repeat=2):
        route = map.detour(a, b, seed)
        assert (route.places[0], route.places[-1]) == (a, b)
        assert free_s(map, route) >= free_s(map, map.route(a, b)) - 1e-9


def test_there_is_no_deviation_from_the_only_road():
    map = long_road(5.0)
    assert map.detour(0, 1, 99) is map.route(0, 1)


# --- drives -----------------------------------------------------------------------------------------------

FREE = (1.0,) * 24


def factors(**hours):
    """1 in every hour but those given, as h8=0.5."""
    return tuple(hours.get(f"h{i}", 1.0) for i in range(24))


def test_a_drive_at_free_flow_takes_length_by_speed():
    map = long_road(36.0, weekday=FREE)
    assert map.route(0, 1).drive(map, 0.0, False)[-1] == pytest.approx(3600.0, rel=1e-12)
    assert map.route(0, 1).drive(map, 0.0, False, pace=1.25)[-1] == pytest.approx(3600.0 / 1.25, rel=1e-12)


def test_the_factor_changes_on_the_road_where_the_hour_turns():
    """18 km at 36 km/h from 7:50: 6 km till 8:00, then 12 km at 18 km/h."""
    map = long_road(18.0, weekday=factors(h8=0.5), weekend=FREE)
    route = map.route(0, 1)
    start = 7 * HOUR_S + 50 * 60
    assert route.drive(map, start, False)[-1] == pytest.approx(600.0 + 2400.0, rel=1e-12)
    assert route.drive(map, start, True)[-1] == pytest.approx(1800.0, rel=1e-12)
    # at 1.2 times the pace: 7.2 km till 8:00, then 10.8 km at 21.6 km/h
    assert route.drive(map, start, False, pace=1.2)[-1] == pytest.approx(600.0 + 1800.0, rel=1e-12)


def test_a_drive_over_several_hours_and_over_midnight():
    """60 km from 23:30 at 36 km/h: 18 km till midnight, 9 km in the first hour, 3.6 km in the second, then 29.4 km."""
    map = long_road(60.0, weekday=factors(h0=0.25, h1=0.1))
    day = 5 * 24 * HOUR_S
    assert map.route(0, 1).drive(map, day + 23.5 * HOUR_S, False)[-1] == pytest.approx(1800 + 7200 + 29.4 / 36 * HOUR_S, rel=1e-12)


def test_departing_as_the_hour_turns():
    map = long_road(9.0, weekday=factors(h8=0.5))
    assert map.route(0, 1).drive(map, 8 * HOUR_S, False)[-1] == pytest.approx(1800.0, rel=1e-12)
    assert map.route(0, 1).drive(map, 9 * HOUR_S, False)[-1] == pytest.approx(900.0, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_a_drive_is_what_second_by_second_gives(town, seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    a, b = rng.choice(len(town.places), 2, replace=False).tolist()
    departs, weekend, pace = float(rng.integers(7 * 24 * 3600)), bool(rng.integers(2)), float(rng.uniform(0.5, 1.3))
    route = town.route(a, b)
    passed = route.drive(town, departs, weekend, pace)
    factor = town.district.weekend if weekend else town.district.weekday
    seconds = np.arange(departs, departs + 6 * HOUR_S)
    gone = np.concatenate([[0.0], np.cumsum([pace * factor[int(s // HOUR_S) % 24] for s in seconds])])
    at = np.interp(passed, np.arange(len(gone)), gone)
    np.testing.assert_allclose(at, np.concatenate([[0.0], np.cumsum(route.edge_s)]), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_drive_that_is_asked_for_is_the_one_that_is_driven(town, seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    turned = 0
    for _ in range(300):
        a, b = rng.choice(len(town.places), 2, replace=False).tolist()
        departs = float(rng.uniform(0, 24 * HOUR_S))
        driven_s = town.route(a, b).drive(town, departs, False)[-1]
        assert town.drives_s((a,), b, departs)[0] == pytest.approx(driven_s, rel=1e-9)
        turned += departs // HOUR_S != (departs + driven_s) // HOUR_S
    assert 50 < turned < 250  # some within an hour, some over its turn


def test_who_sets_out_later_never_arrives_earlier(town):
    route = town.route(town.place("Plant"), int(np.argmax(town.away_s(town.place("Plant")))))
    arrives = [s + route.drive(town, float(s), False)[-1] for s in range(5 * 3600, 12 * 3600, 60)]
    assert (np.diff(arrives) > 0).all()


def test_rush_hour_is_slower_than_night_and_the_weekend_is_between(town):
    start = town.place("Plant")
    route = town.route(start, town.at_drive(start, 1200.0, "Site"))
    night, rush, saturday = (route.drive(town, h * HOUR_S, weekend)[-1] for h, weekend in ((2, False), (8, False), (8, True)))
    assert night < saturday < rush
    assert 1.6 <= rush / night <= 2.1


@pytest.mark.parametrize(("departs", "pace"), [(0.0, 0.0), (0.0, -1.0), (0.0, float("nan")), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_a_drive_that_would_not_end_is_refused(departs, pace):
    map = long_road(1.0)
    with pytest.raises(ValueError, match="pace"):
        map.route(0, 1).drive(map, departs, False, pace)


# --- positions --------------------------------------------------------------------------------------------


def test_a_position_lies_between_points_and_stands_still_outside():
    t, x, y = np.array([100.0, 200.0, 500.0, 999.0]), np.array([0.0, 3.0, 3.0, 77.0]), np.array([0.0, 4.0, 1.0, 77.0])
    assert position(t, x, y, 3, 50.0) == (0.0, 0.0, 0.0)
    assert position(t, x, y, 3, 150.0) == pytest.approx((1.5, 2.0, 5.0 / 100 * 3600))
    assert position(t, x, y, 3, 400.0) == pytest.approx((3.0, 2.0, 3.0 / 300 * 3600))
    assert position(t, x, y, 3, 500.0) == (3.0, 1.0, 0.0)
    assert position(t, x, y, 3, 1e9) == (3.0, 1.0, 0.0)
    assert position(t, x, y, 1, 100.0) == (0.0, 0.0, 0.0)


def test_a_position_at_a_stop_and_at_a_jump_of_time():
    t, x, y = np.array([0.0, 10.0, 10.0, 70.0, 80.0]), np.array([0.0, 1.0, 1.0, 1.0, 2.0]), np.zeros(5)
    assert position(t, x, y, 5, 10.0) == (1.0, 0.0, 0.0)
    assert position(t, x, y, 5, 40.0) == (1.0, 0.0, 0.0)
    assert position(t, x, y, 5, 75.0) == pytest.approx((1.5, 0.0, 360.0))


def test_a_position_is_what_interpolation_gives(town):
    route = town.route(3, 500)
    t = route.drive(town, 8 * HOUR_S, False)
    x, y = (np.ascontiguousarray(town.xy_km[route.places, i]) for i in (0, 1))
    for now in np.linspace(-10, t[-1] + 10, 300):
        at = position(t, x, y, len(t), float(now))
        assert at[:2] == pytest.approx((np.interp(now, t, x), np.interp(now, t, y)), abs=1e-12)


# --- places -----------------------------------------------------------------------------------------------


def test_a_place_by_name_and_by_the_point_nearest_to_it():
    map = Map(district())
    assert map.places[map.place("North")] == "North"
    assert map.places[map.place((2.6, 0.3))] == "East"
    assert map.plant("Line1") == map.place("Plant")
    assert Map(district(plants={"Line2": "Far"})).plant("Line2") == 3


def test_an_unknown_place_is_answered_with_the_nearest_name():
    with pytest.raises(BatchtwinError, match="no place named 'Nroth'; did you mean 'North'") as caught:
        Map(district()).place("Nroth")
    assert caught.value.code == "E102"


@pytest.mark.parametrize("at", [(5.1, 0.0), (-40.0, 2.0), (float("nan"), 0.0), (float("inf"), 0.0), (1e300, 1e300)])
def test_a_point_off_the_map_is_one_line(at):
    with pytest.raises(BatchtwinError, match="off the map") as caught:
        Map(district()).place(at)
    assert "\n" not in str(caught.value)


def test_every_point_of_a_generated_town_is_on_the_map():
    for plan in (Grid(), Grid(size_km=8, spacing_km=2, bent=0.2)):
        map = Map(District(grid=plan))
        low, high = map.xy_km.min(0) - 0.5, map.xy_km.max(0) + 0.5
        for x, y in itertools.product(*(np.linspace(low[i], high[i], 60) for i in (0, 1))):
            map.place((float(x), float(y)))


@pytest.mark.parametrize("minutes", [5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60])
def test_a_place_at_a_drive_is_within_a_tenth_of_it(town, minutes):
    start = town.place("Plant")
    found = [town.at_drive(start, minutes * 60.0, f"Site{i}") for i in range(40)]
    assert found == [town.at_drive(start, minutes * 60.0, f"Site{i}") for i in range(40)]
    for place in found:
        assert place != start
        assert free_s(town, town.route(start, place)) == pytest.approx(minutes * 60.0, rel=0.1)
    if minutes >= 15:
        assert len(set(found)) >= 8  # different sites are in different places


def test_asked_beyond_the_map_it_is_the_farthest_place():
    map = Map(district())
    assert map.places[map.at_drive(0, 1e6, "Site")] == "Far"


def test_the_generated_town(town):
    """30 km square with streets, main roads and a ring; it is the same each time, and Plant is its origin."""
    again = Map(District())
    assert again.places == town.places
    assert (again.xy_km == town.xy_km).all()
    assert town.xy_km[town.place("Plant")].tolist() == [0.0, 0.0]
    span = town.xy_km.max(0) - town.xy_km.min(0)
    assert (abs(span - 30.0) < 0.5).all()
    assert np.isfinite(town.away_s(0)).all()
    kinds = [road.kind for road in town.district.layout()[1]]
    assert {kind: kinds.count(kind) for kind in KINDS} == {"expressway": 64, "arterial": 272, "street": 864}


# --- mistakes ---------------------------------------------------------------------------------------------


def told(plan):
    """The mistakes in a district of a plant with two lines, as place and text."""
    design = SimpleNamespace(district=plan, lines={"Line1": None, "Line2": None})
    return [(".".join(map(str, place)), f"{problem}; {mend}") for place, problem, mend in mistakes(design)]


def test_good_districts_have_no_mistakes():
    assert told(District()) == []
    assert told(district()) == []
    assert told(District(plants={"Line2": "X10Y10"})) == []
    assert told(district(grid=None, plants={"Line2": "Far"})) == []


SQUARE = [{"ends": ends} for ends in (("Plant", "East"), ("East", "Far"), ("Far", "North"))]
WRONG = {
    "unknown place": (
        {"roads": [*SQUARE, {"ends": ("Plant", "Nroth")}]},
        "district.roads.3.ends",
        "no place 'Nroth'; did you mean 'North'",
    ),
    "a loop": ({"roads": [*SQUARE, {"ends": ("Far", "Far")}]}, "district.roads.3.ends", "to itself"),
    "unconnected": ({"roads": SQUARE[:2]}, "district.places.North", "no road leads there from 'Plant'"),
    "a group unconnected": ({"roads": [SQUARE[0], SQUARE[2]]}, "district.places.North", "with 1 more from 'Plant'"),
    "too short": (
        {"roads": [*SQUARE, {"ends": ("Plant", "North"), "length_km": 2.9}]},
        "district.roads.3.length_km",
        "shorter than the straight line of 3.00 km",
    ),
    "two in one spot": (
        {"places": {"Plant": (0, 0), "East": (3, 0), "North": (0, 3), "Far": (3, 0)}},
        "district.places.Far",
        "stands where 'East' stands",
    ),
    "plant no place": ({"plants": {"Line2": "Est"}}, "district.plants.Line2", "no place 'Est'; did you mean 'East'"),
    "no such line": ({"plants": {"Line3": "East"}}, "district.plants.Line3", "no line 'Line3'"),
    "two maps": ({"grid": {"size_km": 20}}, "district.grid", "beside places of your own"),
    "faster than allowed": ({"free_km_h": {"street": 45}}, "district.free_km_h.street", "above the limit of 40 km/h"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_in_a_map_of_ones_own(case):
    more, place, text = WRONG[case]
    found = told(district(**more))
    assert [where for where, _ in found] == [place]
    assert text in found[0][1] and "\n" not in found[0][1]


@pytest.mark.parametrize(
    ("plan", "place", "text"),
    [
        (District(grid=None), "district.grid", "so are the places"),
        (District(roads=[Road(ends=("A", "B"))]), "district.roads", "places that are not given"),
        (District(grid=Grid(size_km=200, spacing_km=0.2)), "district.grid.spacing_km", "1001 streets"),
        (District(grid=Grid(size_km=1, spacing_km=2.0)), "district.grid.spacing_km", "1 streets"),
        (District(plants={"Line1": "X99Y99"}), "district.plants.Line1", "no place 'X99Y99'"),
        (District(places={"Yard": (0, 0)}), "district.places", "no place 'Plant', where Line1, Line2 would stand"),
    ],
)
def test_a_mistake_in_a_map_that_is_not_all_there(plan, place, text):
    found = told(plan)
    assert [where for where, _ in found] == [place]
    assert text in found[0][1]


@pytest.mark.parametrize(
    "plan",
    [
        {"weekday": (1.0,) * 23},
        {"weekend": (0.0,) * 24},
        {"places": {"Plant": (0, float("nan"))}},
        {"roads": [{"ends": ("A", "B"), "length_km": 0}]},
        {"roads": [{"ends": ("A", "B"), "kind": "river"}]},
        {"free_km_h": {"street": 0}},
        {"free_km_h": {"lane": 10}},
    ],
)
def test_figures_out_of_range_are_refused(plan):
    with pytest.raises(ValidationError):
        District.model_validate(plan)
