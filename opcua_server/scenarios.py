"""What a client may reset to, and how a run is judged."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from scenarios.acceptance.case import CASES, load_case
from scenarios.acceptance.judge import compose, judge
from scenarios.run import open_run
from scenarios.schema import load_scenario
from twin.design.load import packaged
from twin.design.schema import Design
from twin.errors import BatchtwinError, nearest, unknown


class Offer:
    """Scenarios and acceptance cases by name. Files are not reached over the network, but for those in a folder of cases.

    Args:
        design: the plant that is served.
        cases: folder with cases of one's own.
    """

    def __init__(self, design: Design, cases: Path | None = None) -> None:
        self._design = design
        self.scenarios = packaged("scenarios.packaged")
        self.cases = packaged(CASES) | ({p.stem: p for p in sorted(cases.glob("*.yaml"))} if cases else {})

    def scenario(self, name: str) -> Any:
        """The scenario or case of a name, as `Session.reset` takes it; empty for the present one.

        Raises:
            BatchtwinError: E102 for a name that is not on offer.
        """
        if not name:
            return ""
        if name in self.cases:
            return partial(compose, load_case(self.cases[name]))
        if name not in self.scenarios:
            near = nearest(name[:100], [*self.scenarios, *self.cases])
            raise BatchtwinError(
                "E102", kind="scenario", name=name[:100], near=f"{near}; a case of your own needs 'batchtwin serve --cases FOLDER'"
            )
        return load_scenario(name, self._design)[0]

    def verdict(self, folder: Path, case: str) -> str:
        """The verdict on a run folder for a case, as JSON text.

        Raises:
            BatchtwinError: E102 for a case that is not on offer.
        """
        if case not in self.cases:
            raise unknown("case", case[:100], self.cases)
        return judge(load_case(self.cases[case]), open_run(folder)).to_json()
