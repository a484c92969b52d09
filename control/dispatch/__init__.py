"""Dispatch: which truck brings what from which station to which site, and when.

Problem and plan are arrays, so the same search plans a benchmark and a plant's day:

    plan = solve(problem, seed=1, seconds=5).plan
"""

from control.dispatch.problem import Plan, Problem
from control.dispatch.solve import Outcome, Search, solve

__all__ = ["Outcome", "Plan", "Problem", "Search", "solve"]
