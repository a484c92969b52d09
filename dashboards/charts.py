"""Plotly figures as plain dicts. Grey for what is normal, red only for what is beyond a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards.pieces import Text, same

INK, MID, PALE, LIMIT, BAD = "#37474f", "#78909c", "#b0bec5", "#5d4037", "#c62828"
# Muted, told apart by lightness and dash as well as by hue.
SERIES = ("#37474f", "#6d8b74", "#5b7c99", "#a1887f", "#8d6e97", "#9e9d24", "#546e7a", "#bcaaa4", "#4e6e58", "#90a4ae")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "star")

Name = Text | str
Points = tuple[Sequence[Any], Sequence[Any]]


def layout(y: Text | None = None, span_s: float | None = None, **more: Any) -> dict[str, Any]:
    """The house's layout; with `span_s` the x axis is time."""
    axis = {"gridcolor": "#d3d7da", "zerolinecolor": "#b0b6ba", "linecolor": "#90979c", "automargin": True}
    x = dict(axis)
    if span_s is not None:
        days = span_s / 86400
        x |= {
            "type": "date",
            "tickformat": "%H:%M" if days <= 1 else "%d %H:%M" if days <= 3 else "%m-%d" if days <= 100 else "%Y-%m",
            "nticks": 6,
            "tickangle": 0,
        }
    base: dict[str, Any] = {
        "margin": {"l": 56, "r": 16, "t": 12, "b": 30},
        "xaxis": x,
        "yaxis": dict(axis),
        "legend": {"orientation": "h", "y": -0.16, "yanchor": "top"},
        "hovermode": "closest",
        "bargap": 0.15,
    }
    if y is not None:
        base["yaxis"]["title"] = {"text": y, "standoff": 6}
    for key, value in more.items():
        base[key] = base[key] | value if isinstance(base.get(key), dict) and isinstance(value, dict) else value
    return base


def name_of(name: Name) -> Text:
    """A trace's name as text."""
    return name if isinstance(name, Text) else same(name)


def line(name: Name, points: Points, number: int = 0, **more: Any) -> dict[str, Any]:
    """A curve."""
    style = {"color": SERIES[number % len(SERIES)], "width": 1.4, "dash": DASHES[number // len(SERIES) % len(DASHES)]}
    return {"type": "scatter", "mode": "lines", "name": name_of(name), "x": points[0], "y": points[1], "line": style, **more}


def dots(name: Name, points: Points, color: str = MID, symbol: str = "circle", **more: Any) -> dict[str, Any]:
    """Single values."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name_of(name),
        "x": points[0],
        "y": points[1],
        "marker": {"color": color, "size": 5, "symbol": symbol, "opacity": 0.8},
        **more,
    }


def limit(y: float, label: Text, color: str = LIMIT) -> tuple[dict[str, Any], dict[str, Any]]:
    """A limit as a dashed line right across: its shape and its annotation."""
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": color, "width": 1.2, "dash": "dash"}}
    note = {
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "y": y,
        "yanchor": "bottom",
        "text": label,
        "showarrow": False,
        "font": {"size": 11, "color": color},
    }
    return shape, note


def limits(*lines: tuple[float, Text]) -> dict[str, Any]:
    """Layout entries of several limits."""
    pairs = [limit(y, label) for y, label in lines]
    return {"shapes": [p[0] for p in pairs], "annotations": [p[1] for p in pairs]}


def trend(curves: dict[Name, Points], y: Text, span_s: float, **more: Any) -> dict[str, Any]:
    """Several curves over time."""
    data = [line(name, points, i) for i, (name, points) in enumerate(curves.items())]
    return {"data": data, "layout": layout(y, span_s, showlegend=len(data) > 1, **more)}


def band(b: dict[str, list[Any]], y: Text, span_s: float, **more: Any) -> dict[str, Any]:
    """Mean within the range between least and greatest value."""
    edge = {"width": 0}
    data = [
        line(Text("least", "最小"), (b["x"], b["low"]), line=edge, hoverinfo="skip", showlegend=False),
        line(
            Text("least to greatest", "最小至最大"),
            (b["x"], b["high"]),
            line=edge,
            fill="tonexty",
            fillcolor="rgba(120,144,156,0.3)",
            hoverinfo="skip",
        ),
        line(Text("mean", "平均"), (b["x"], b["mean"])),
    ]
    return {"data": data, "layout": layout(y, span_s, showlegend=False, **more)}


def bars_and_total(
    x: list[Any], bars: list[float], total: list[float], names: tuple[Text, Text], axes: tuple[Text, Text], span_s: float, width_ms: float
) -> dict[str, Any]:
    """Amounts by hour, day or week, and what they add up to."""
    data = [
        {"type": "bar", "name": names[0], "x": x, "y": bars, "width": 0.85 * width_ms, "offset": 0, "marker": {"color": PALE}},
        line(names[1], ([*x[:1], *(t + width_ms for t in x)], [0.0, *total]), yaxis="y2"),
    ]
    second = {
        "title": {"text": axes[1]},
        "overlaying": "y",
        "side": "right",
        "showgrid": False,
        "rangemode": "tozero",
        "tickmode": "auto",
        "automargin": True,
    }
    return {"data": data, "layout": layout(axes[0], span_s, yaxis2=second)}


def histogram(centres: list[float], counts: list[int], low: float, high: float, width: float, x: Text) -> dict[str, Any]:
    """Counts, red beyond the limits."""
    colors = [BAD if not low <= c <= high else MID for c in centres]
    marks = [
        {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": v, "x1": v, "line": {"color": LIMIT, "width": 1, "dash": "dash"}}
        for v in (low, high)
    ]
    data = [{"type": "bar", "name": Text("count", "次数"), "x": centres, "y": counts, "width": width, "marker": {"color": colors}}]
    reach = max(abs(low), abs(high), *(abs(c) + width for c in centres)) * 1.08
    box = {"title": {"text": x, "font": {"size": 11}}, "range": [-reach if low < 0 else 0, reach], "nticks": 6}
    return {
        "data": data,
        "layout": layout(None, None, shapes=marks, xaxis=box, showlegend=False, bargap=0.05, margin={"l": 44, "r": 8, "t": 8, "b": 36}),
    }


def spans(groups: list[tuple[Text, str, list[str], list[int], list[int]]], span_s: float, rows: list[str]) -> dict[str, Any]:
    """Bars from a time to a time on named rows: (name, colour, row of each, begins, lasts in ms)."""
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": at,
            "base": begins,
            "x": lasts,
            "marker": {"color": color},
            "width": 0.7,
            "hoverinfo": "name+y",
        }
        for name, color, at, begins, lasts in groups
    ]
    side = {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": rows[::-1],
        "tickfont": {"size": 11},
        "range": [-0.6, len(rows) - 0.4],
    }
    return {
        "data": data,
        "layout": layout(
            None, span_s, yaxis=side, barmode="overlay", margin={"l": 60, "r": 16, "t": 12, "b": 40}, legend={"y": 1.0, "yanchor": "bottom"}
        ),
    }


def sankey(links: list[tuple[str, str, float]], names: dict[str, Text]) -> dict[str, Any]:
    """Flows between nodes, in tonnes."""
    nodes = list(dict.fromkeys(n for a, b, _ in links for n in (a, b)))
    index = {n: i for i, n in enumerate(nodes)}
    data = {
        "type": "sankey",
        "arrangement": "snap",
        "valueformat": ",.1f",
        "valuesuffix": " t",
        "node": {"label": [names.get(n, same(n)) for n in nodes], "color": MID, "pad": 14, "thickness": 14, "line": {"width": 0}},
        "link": {
            "source": [index[a] for a, _, _ in links],
            "target": [index[b] for _, b, _ in links],
            "value": [round(t, 3) for _, _, t in links],
            "color": "rgba(120,144,156,0.35)",
        },
    }
    return {"data": [data], "layout": layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})}
