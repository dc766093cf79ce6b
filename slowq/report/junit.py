"""JUnit XML: one test case for each thing that the policy asks, as Jenkins, GitLab and others read it."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from slowq.policy import Judgement, Line
from slowq.report import ci


def render(judgement: Judgement) -> bytes:
    failed = len(judgement.failed)
    counts = {"tests": str(len(judgement.lines)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suites = Xml.Element("testsuites", counts)
    suite = Xml.SubElement(suites, "testsuite", {"name": "slowq check", **counts})
    for line in judgement.lines:
        _case(suite, line)
    Xml.indent(suites, " ")
    found: bytes = Xml.tostring(suites, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _case(suite: Xml.Element, line: Line) -> None:
    case = Xml.SubElement(suite, "testcase", {"classname": "slowq", "name": ci.xml(line.id), "time": "0"})
    if line.outcome != "fail":
        Xml.SubElement(case, "system-out").text = ci.xml(line.says)
        return
    places = [f"{path}:{number}" for path, number in map(ci.file_and_line, (c for c in line.cites if "path" in c))]
    failure = Xml.SubElement(case, "failure", {"message": ci.xml(line.says), "type": line.id.split()[0]})
    told = [line.says, *places, *([f"Do: {line.do}"] if line.do else [])]
    failure.text = "\n".join(ci.xml(one) for one in told)
