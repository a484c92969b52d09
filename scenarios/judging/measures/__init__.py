"""All measures, a file a subject; a new one is a function with `@measure` in one of these files."""

from scenarios.judging.measures import air, loads, materials, plant, province, quality, site_plan, vehicles, water, weighing
from scenarios.judging.subject import MEASURES

__all__ = ["MEASURES", "air", "loads", "materials", "plant", "province", "quality", "site_plan", "vehicles", "water", "weighing"]
