"""A verdict as JUnit XML, as build servers read it: a suite a section, a test a clause.

A clause of musts that fails is a failure. What only should be, is not evidenced or does not apply is skipped, with the reason: it did not pass.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from scenarios.judging.verdict import ClauseResult, Verdict

NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(verdict: Verdict, path: str | Path) -> Path:
    """Write a verdict.

    Args:
        verdict: of a run.
        path: XML file to write.

    Returns:
        The file.
    """
    xml = JUnitXml(f"batchtwin {verdict.book}")
    for key, title in verdict.sections.items():
        suite = TestSuite(f"{key} {title.en}".strip())
        for name, value in ({"book": verdict.book, "run": verdict.run} | verdict.about).items():
            suite.add_property(name, _text(str(value)))
        for clause in verdict.clauses:
            if clause.section == key:
                suite.add_testcase(_test(verdict.book, clause))
        xml.add_testsuite(suite)
    target = Path(path)
    xml.write(str(target), pretty=True)
    return target


def _test(book: str, clause: ClauseResult) -> TestCase:
    test = TestCase(f"{clause.id} {clause.title.en}", f"{book}.{clause.section}")
    if clause.result == "fail" and clause.must:
        failure = Failure(_text(clause.why.en), "clause")
        failure.text = _text(
            "\n".join(
                [clause.source.en, clause.why.zh, *(json.dumps(a.as_json(), ensure_ascii=False, default=str) for a in clause.evidence)]
            )
        )
        test.result = [failure]
    elif clause.result != "pass":
        test.result = [Skipped(_text(f"{clause.result}: {clause.why.en}"))]
    return test


def _text(text: str) -> str:
    """Text without what XML cannot hold."""
    return NOT_XML.sub("", text)
