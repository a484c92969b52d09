"""Verdicts as JUnit XML, as build servers read it: a suite a case, a test a check."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from scenarios.acceptance.results import CaseResult, CheckResult

NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Sequence[CaseResult], path: str | Path) -> Path:
    """Write the verdicts of a suite.

    Args:
        results: of the cases, in order.
        path: XML file to write.

    Returns:
        The file.
    """
    xml = JUnitXml("batchtwin acceptance")
    for result in results:
        xml.add_testsuite(_suite(result))
    target = Path(path)
    xml.write(str(target), pretty=True)
    return target


def _suite(result: CaseResult) -> TestSuite:
    suite = TestSuite(result.case)
    for name, value in {"title": result.title_en, "seed": result.seed, "sim_s": result.sim_s, "run": result.run}.items():
        suite.add_property(name, _text(str(value)))
    for check in result.checks:
        suite.add_testcase(_test(result.case, check))
    if result.state == "error":
        test = TestCase("run", f"acceptance.{result.case}")
        test.result = [Error(_text(result.en), "error")]
        suite.add_testcase(test)
    return suite


def _test(case: str, check: CheckResult) -> TestCase:
    test = TestCase(check.name, f"acceptance.{case}")
    if not check.passed:
        failure = Failure(_text(check.en), "check")
        failure.text = _text("\n".join([check.zh, *(json.dumps(row, ensure_ascii=False) for row in check.rows)]))
        test.result = [failure]
    return test


def _text(text: str) -> str:
    """Text without what XML cannot hold."""
    return NOT_XML.sub("", text)
