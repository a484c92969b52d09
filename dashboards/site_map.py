"""The site plan as a picture: one inline SVG with grounds, buildings, ways, drains, stations, cameras, and what they see or do not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from dashboards.pieces import Text
from twin.design import sight
from twin.design.grounds import Camera, Point
from twin.design.schema import Design
from twin.design.site import SitePlan

WIDTH, MARGIN, LEGEND, LINE = 980.0, 26.0, 226.0, 20.0  # of the picture, in its own units
INK, SOFT, SEEN, UNSEEN, CAMERA = "#1f2a30", "#5d6b73", "#2e7d4f", "#b71c1c", "#1f4e79"
GROUNDS = {"bare": "#e9e3d6", "paved": "#dcdfe1", "green": "#bcd0ae"}
USES = {
    "production": ("#b3bcc3", Text("production", "生产")), "store": ("#c5c0b4", Text("store", "仓储")), "workshop": ("#bfb3a6", Text("workshop", "维修")),
    "waste_store": ("#c9ab93", Text("waste store", "固废贮存")), "control_room": ("#a9bdd2", Text("control room", "中控室")),
    "laboratory": ("#c0b6d2", Text("laboratory", "试验室")), "office": ("#d8cda4", Text("office", "办公")), "living": ("#dfc3b5", Text("living", "生活")),
    "other": ("#d0d0d0", Text("other building", "其他建筑")),
}  # fmt: skip
DRAINS = {"rain": ("#4a86a8", Text("rain drain", "雨水管")), "waste": ("#8a5a2b", Text("waste-water drain", "污水管"))}
POINTS = {
    "Yard": Text("yard", "料场"), "Gate": Text("gate", "大门地磅"), "Loading": Text("loading", "装车"), "WeighFloor": Text("weigh floor", "称量层"),
    "SiloFilling": Text("silo filling", "粉料卸车"), "Washing": Text("truck wash", "洗车"), "Separator": Text("separator", "砂石分离"),
    "Basins": Text("basins", "水池"), "Laboratory": Text("laboratory", "试验室"),
}  # fmt: skip
WHY = {
    "no_camera": Text("there is no camera", "无摄像机"), "nowhere": Text("stands nowhere on the plan", "平面图上无此位置"),
    "indoors": Text("{camera} is inside {behind}", "{camera} 在 {behind} 内"), "range": Text("too far for {camera}", "超出 {camera} 的距离"),
    "view": Text("outside the view of {camera}", "不在 {camera} 的视角内"), "storey": Text("{camera} is on another storey", "{camera} 在另一楼层"),
    "hidden": Text("{behind} stands in the way of {camera}", "{behind} 遮挡 {camera}"),
}  # fmt: skip
LABELS = {
    "bare": Text("bare ground", "裸地"), "paved": Text("paved", "硬化地面"), "green": Text("green", "绿化"), "road": Text("carriageway", "车行道"),
    "unpaved": Text("unpaved track", "未硬化道路"), "kept": Text("walkway, separated", "人行道（隔离）"), "open": Text("walkway, not separated", "人行道（未隔离）"),
    "wall": Text("wall", "围挡"), "fence": Text("boundary", "厂界"), "monitor": Text("monitoring station", "监测站"), "camera": Text("camera and its view", "摄像机及视域"),
    "seen": Text("point seen", "可见监控点"), "unseen": Text("point not seen", "监控盲点"), "title": Text("Site plan of {name}", "{name} 总平面图"),
    "unseen_title": Text("Not seen: {n} of {of}", "盲点：{n} / {of}"), "all_seen": Text("All {of} points are seen", "{of} 个监控点全部可见"),
}  # fmt: skip


def site_svg(design: Design, language: str = "en") -> str:
    """The site plan of a design.

    Args:
        language: `en` or `zh`.

    Returns:
        An `<svg>` element that needs nothing else; it scales with the width of the page.
    """
    plan, points = design.site, sight.watched(design)
    paper = Paper(plan, f"{design.name}-{language}")
    drawn = [*_grounds(plan, paper), *_ways(plan, paper), *_houses(plan, paper), *_stations(plan, paper), *_views(plan, paper),
             *_points(points, paper, language), *_scale(paper)]  # fmt: skip
    legend = list(_legend(plan, points, paper, language))
    height = max(paper.height, max((y for y, _ in legend), default=0.0) + LINE)
    title = escape(_say(LABELS["title"], language, name=getattr(design.title, language)))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{title}" lang="{language}" '
            f'style="max-width:100%;height:auto" font-family="system-ui,\'PingFang SC\',\'Noto Sans CJK SC\',sans-serif" font-size="11" fill="{INK}">'
            f"<title>{title}</title>{''.join(drawn)}{''.join(piece for _, piece in legend)}</svg>")  # fmt: skip


def of_run(info: dict[str, Any]) -> dict[str, str]:
    """The site plan of a recorded run in both languages by `en` and `zh`; nothing when its design is not one of this version's."""
    try:
        design = Design.model_validate(info["design"])
    except (KeyError, ValueError):
        return {}
    return {language: site_svg(design, language) for language in ("en", "zh")}


class Paper:
    """From metres to the picture: north is up, the boundary fills the picture beside the legend."""

    def __init__(self, plan: SitePlan, name: str) -> None:
        self.name = name  # before the ids of this picture, which must be the only ones on a page
        xs, ys = zip(*plan.boundary, strict=True)
        self.west, self.north = min(xs), max(ys)
        self.scale = (WIDTH - LEGEND - 2 * MARGIN) / max(max(xs) - self.west, 0.8 * (self.north - min(ys)), 1.0)
        self.height = 2 * MARGIN + LINE + (self.north - min(ys)) * self.scale

    def at(self, point: Point) -> tuple[float, float]:
        """A point of the plan in the picture."""
        return MARGIN + (point[0] - self.west) * self.scale, MARGIN + (self.north - point[1]) * self.scale

    def path(self, points: Sequence[Point], close: bool = False) -> str:
        """The `d` of a path."""
        return "M" + "L".join("{:.1f} {:.1f}".format(*self.at(p)) for p in points) + ("Z" if close else "")


def _say(text: Text, language: str, **values: object) -> str:
    return str(getattr(text, language)).format(**values)


def _text(x: float, y: float, words: str, more: str = "") -> str:
    """Words that stay readable on whatever lies beneath."""
    halo = 'paint-order="stroke" stroke="#fff" stroke-opacity="0.8" stroke-width="3" stroke-linejoin="round"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {halo} {more}>{escape(words)}</text>'


def _grounds(plan: SitePlan, paper: Paper) -> Iterator[str]:
    fence = paper.path(plan.boundary, True)
    yield f'<clipPath id="{paper.name}-site"><path d="{fence}"/></clipPath><path d="{fence}" fill="{GROUNDS["bare"]}"/><g clip-path="url(#{paper.name}-site)">'
    for kind, of in (("paved", plan.paved), ("green", plan.green)):
        yield from (
            f'<path d="{paper.path(g.outline, True)}" fill="{GROUNDS[kind]}"><title>{escape(k)}</title></path>' for k, g in of.items()
        )
    yield f'</g><path d="{fence}" fill="none" stroke="{INK}" stroke-width="1.6"/>'


def _ways(plan: SitePlan, paper: Paper) -> Iterator[str]:
    for key, road in plan.roads.items():
        d, width = paper.path(road.line), road.width_m * paper.scale
        yield f'<path d="{d}" fill="none" stroke="{_road(road.paved)}" stroke-width="{width:.1f}" stroke-linejoin="round"><title>{escape(key)}</title></path>'
        yield f'<path d="{d}" fill="none" stroke="#fff" stroke-width="1" stroke-dasharray="9 7"/>'
    for key, walk in plan.walkways.items():
        width, dash = max(walk.width_m * paper.scale, 3.0), "" if walk.separated else 'stroke-dasharray="5 4"'
        yield (f'<path d="{paper.path(walk.line)}" fill="none" stroke="#fff" stroke-width="{width + 2:.1f}"/>'
               f'<path d="{paper.path(walk.line)}" fill="none" stroke="{_walk(walk.separated)}" stroke-width="{width - 2:.1f}" {dash}>'
               f"<title>{escape(key)}</title></path>")  # fmt: skip
    for key, drain in plan.drains.items():
        x, y = paper.at(drain.line[-1])
        colour = DRAINS[drain.carries][0]
        yield (f'<path d="{paper.path(drain.line)}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="7 3 1.5 3">'
               f'<title>{escape(key)} → {escape(drain.to)}</title></path><circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')  # fmt: skip


def _road(paved: bool) -> str:
    return "#a3abb0" if paved else "#c9b893"


def _walk(separated: bool) -> str:
    return "#6a9a78" if separated else "#c98a3c"


def _houses(plan: SitePlan, paper: Paper) -> Iterator[str]:
    for key, house in plan.buildings.items():
        yield (f'<path d="{paper.path(house.outline, True)}" fill="{USES[house.use][0]}" fill-opacity="0.88" stroke="{SOFT}" stroke-width="1">'
               f"<title>{escape(key)}, {house.height_m:g} m</title></path>")  # fmt: skip
    for key, house in plan.buildings.items():
        xs, ys = zip(*(paper.at(p) for p in house.outline), strict=True)
        x, wide = (min(xs) + max(xs)) / 2, max(xs) - min(xs) > 5.5 * len(key)
        y = min(ys) + 13 if wide and max(ys) - min(ys) > 26 else (min(ys) - 4 if not wide else (min(ys) + max(ys)) / 2 + 4)
        yield _text(x, y, key, f'text-anchor="middle" font-size="10" fill="{SOFT}"')
    for key, wall in plan.walls.items():
        yield f'<path d="{paper.path(wall.ends)}" stroke="{INK}" stroke-width="3.5"><title>{escape(key)}, {wall.height_m:g} m</title></path>'


def _stations(plan: SitePlan, paper: Paper) -> Iterator[str]:
    for key, monitor in plan.monitors.items():
        yield _station(*paper.at(monitor.at), key)


def _station(x: float, y: float, name: str = "") -> str:
    return f'<path d="M{x:.1f} {y - 7:.1f}l6.5 11h-13Z" fill="#fff" stroke="{INK}" stroke-width="1.5"><title>{escape(name)}</title></path>'


def _views(plan: SitePlan, paper: Paper) -> Iterator[str]:
    """The cone of each camera as far as it reaches, indoors as far as the walls; what hides behind buildings shows in the points."""
    for house in {c.inside: None for c in plan.cameras.values() if c.inside}:
        inside = paper.path(plan.buildings[house].outline, True)
        yield f'<clipPath id="{paper.name}-{list(plan.buildings).index(house)}"><path d="{inside}"/></clipPath>'
    for camera in plan.cameras.values():
        clip = f"{paper.name}-{list(plan.buildings).index(camera.inside) if camera.inside else 'site'}"
        cone = _cone(*paper.at(camera.at), camera, camera.range_m * paper.scale)
        yield f'<path d="{cone}" fill="{CAMERA}" fill-opacity="0.09" stroke="{CAMERA}" stroke-opacity="0.4" stroke-width="0.8" clip-path="url(#{clip})"/>'
    for key, camera in plan.cameras.items():
        yield _camera(*paper.at(camera.at), camera, key)


def _cone(x: float, y: float, camera: Camera, reach: float) -> str:
    if camera.view_deg >= 360:
        return f"M{x - reach:.1f} {y:.1f}a{reach:.1f} {reach:.1f} 0 1 0 {2 * reach:.1f} 0a{reach:.1f} {reach:.1f} 0 1 0 {-2 * reach:.1f} 0Z"
    ends = []
    for side in (-0.5, 0.5):
        angle = math.radians(camera.direction_deg + side * camera.view_deg)
        ends.append((x + reach * math.sin(angle), y - reach * math.cos(angle)))
    (ax, ay), (bx, by) = ends
    return f"M{x:.1f} {y:.1f}L{ax:.1f} {ay:.1f}A{reach:.1f} {reach:.1f} 0 {int(camera.view_deg > 180)} 1 {bx:.1f} {by:.1f}Z"


def _camera(x: float, y: float, camera: Camera, name: str = "") -> str:
    return (f'<g transform="translate({x:.1f} {y:.1f}) rotate({camera.direction_deg - 90:.0f})"><rect x="-6" y="-3.5" width="9" height="7" rx="1.5" fill="{CAMERA}"/>'
            f'<path d="M3 -1.5L7 -4V4L3 1.5Z" fill="{CAMERA}"/><title>{escape(name)}</title></g>')  # fmt: skip


def _points(points: Sequence[sight.Seen], paper: Paper, language: str) -> Iterator[str]:
    """A ring for each point, those above each other in a column, and its name where there is room beside, below or above."""
    column: dict[Point, int] = {}
    places = []
    for point in points:
        if point.at is not None:
            x, y = paper.at(point.at)
            places.append((point, x, y + 15.0 * column.get(point.at, 0)))
            column[point.at] = column.get(point.at, 0) + 1
    taken = [(x - 6.0, y - 6.0, x + 6.0, y + 6.0) for _, x, y in places]
    for point, x, y in places:
        seen, name = bool(point.cameras), _named(point.name, language)
        width = sum(11.0 if ord(c) > 0x2E80 else 6.4 for c in name)
        spots = [(x + 9, y + 4), (x - 9 - width, y + 4), (x - width / 2, y + 18), (x - width / 2, y - 10), (x - width / 2, y + 32)]
        boxes = {spot: (spot[0], spot[1] - 10, spot[0] + width, spot[1] + 2) for spot in spots}
        free = [s for s in spots if boxes[s][2] < WIDTH - LEGEND - MARGIN and not any(_meet(boxes[s], t) for t in taken)]
        spot = (free or spots)[0]
        taken.append(boxes[spot])
        yield _point(x, y, seen) + _text(*spot, name, f'fill="{SEEN if seen else UNSEEN}"')


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _point(x: float, y: float, seen: bool) -> str:
    if seen:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="#fff" stroke="{SEEN}" stroke-width="2"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{SEEN}"/>'
    cross = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="#fff" stroke="{UNSEEN}" stroke-width="2"/><path d="{cross}" stroke="{UNSEEN}" stroke-width="2"/>'


def _named(name: str, language: str) -> str:
    """The name of a key point in words; one that a plan names stays as it is."""
    line, _, part = name.rpartition(".")
    return f"{line} {_say(POINTS[part], language)}".strip() if part in POINTS else name


def _scale(paper: Paper) -> Iterator[str]:
    """A bar of 20 m and the north."""
    x, y, metres = MARGIN, paper.height - MARGIN + 4, 20
    end = x + metres * paper.scale
    yield f'<path d="M{x} {y - 4}V{y}H{end:.1f}V{y - 4}" fill="none" stroke="{INK}" stroke-width="1.3"/>' + _text(
        end + 6, y + 1, f"{metres} m"
    )
    yield f'<path d="M{end + 60:.1f} {y + 4}v-18m-4 6l4 -7l4 7" fill="none" stroke="{INK}" stroke-width="1.3"/>' + _text(
        end + 70, y + 1, "N"
    )


def _legend(plan: SitePlan, points: Sequence[sight.Seen], paper: Paper, language: str) -> Iterator[tuple[float, str]]:
    """Only what the plan shows; below it the points that nobody sees, and why. Each piece with its height in the picture."""
    x, y = WIDTH - LEGEND, MARGIN + 6
    swatch = lambda colour: f'<rect x="{x}" y="{{y0}}" width="18" height="11" fill="{colour}" stroke="{SOFT}" stroke-width="0.6"/>'
    stroke = lambda colour, more="": f'<path d="M{x} {{y}}h18" stroke="{colour}" {more}/>'
    uses = {h.use for h in plan.buildings.values()}
    lens = Camera(at=(0.0, 0.0), direction_deg=90.0)
    rows: list[tuple[bool, str, Text]] = [
        (True, stroke(INK, 'stroke-width="1.6"'), LABELS["fence"]),
        *((use in uses, swatch(colour), text) for use, (colour, text) in USES.items()),
        *((bool(of), swatch(GROUNDS[kind]), LABELS[kind]) for kind, of in (("green", plan.green), ("paved", plan.paved), ("bare", True))),
        *((any(r.paved == paved for r in plan.roads.values()), swatch(_road(paved)), LABELS[k]) for paved, k in ((True, "road"), (False, "unpaved"))),
        *((any(w.separated == kept for w in plan.walkways.values()), stroke(_walk(kept), 'stroke-width="4"' + ("" if kept else ' stroke-dasharray="5 4"')), LABELS[k])
          for kept, k in ((True, "kept"), (False, "open"))),
        *((any(d.carries == k for d in plan.drains.values()), stroke(c, 'stroke-width="1.6" stroke-dasharray="7 3 1.5 3"'), t) for k, (c, t) in DRAINS.items()),
        (bool(plan.walls), stroke(INK, 'stroke-width="3.5"'), LABELS["wall"]),
        (bool(plan.monitors), "station", LABELS["monitor"]),
        (bool(plan.cameras), "camera", LABELS["camera"]),
        (any(p.cameras for p in points), "seen", LABELS["seen"]),
        (any(not p.cameras for p in points), "unseen", LABELS["unseen"]),
    ]  # fmt: skip
    for _, mark, text in (r for r in rows if r[0]):
        symbols = {
            "station": _station(x + 9, y + 1),
            "camera": _camera(x + 9, y, lens),
            "seen": _point(x + 9, y, True),
            "unseen": _point(x + 9, y, False),
        }
        drawn = symbols.get(mark) or mark.format(y=f"{y:.1f}", y0=f"{y - 6:.1f}")
        yield y, drawn + f'<text x="{x + 26}" y="{y + 4:.1f}">{escape(_say(text, language))}</text>'
        y += LINE
    unseen = [p for p in points if not p.cameras]
    y += 8
    head = _say(LABELS["unseen_title" if unseen else "all_seen"], language, n=len(unseen), of=len(points))
    yield y, f'<text x="{x}" y="{y + 4:.1f}" font-weight="600" fill="{UNSEEN if unseen else SEEN}">{escape(head)}</text>'
    for point in unseen:
        y += LINE + 2
        why = _say(WHY[point.why], language, camera=point.camera, behind=point.behind)
        yield y + 13, (f'<text x="{x}" y="{y + 2:.1f}">{escape(_named(point.name, language))}</text>'
                       f'<text x="{x}" y="{y + 15:.1f}" font-size="10" fill="{SOFT}">{escape(why)}</text>')  # fmt: skip
        y += 11
