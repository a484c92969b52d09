"""Pages as files: a template filled in, and written in one stroke."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    """Templates are compiled once; what is not marked safe is escaped, and a value that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("dashboards"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def rendered(template: str, **values: Any) -> str:
    """A template of `dashboards/templates` with its values."""
    return _environment().get_template(template).render(**values)


@cache
def plotly() -> str:
    """Plotly itself, from the installed package's own file; `plotly.offline` would import all of that package for it."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def written(path: str | Path, html: str) -> Path:
    """Write a page in one stroke; returns the file.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.tmp")
    part.write_text(html, encoding="utf-8")
    os.replace(part, target)
    return target
