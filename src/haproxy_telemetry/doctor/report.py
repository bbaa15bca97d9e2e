"""The report as people read it in a terminal, and as programs read it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from haproxy_telemetry.doctor.examine import Report
from haproxy_telemetry.doctor.findings import Finding, Severity

_SIGNS = {Severity.ERROR: ("✘", "red"), Severity.WARNING: ("⚠", "yellow")}


def as_text(report: Report) -> str:
    """Return the lines: what is well, what was not asked, then each finding with its fix. Colours as ANSI codes."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    for sentence in report.well:
        yield f"{click.style('✔', 'green')} {sentence}"
    for sentence in report.unasked:
        yield f"- not asked: {sentence}"
    for finding in report.findings:
        yield from _finding(finding)
    yield _summary(report)


def _finding(finding: Finding) -> Iterator[str]:
    sign, colour = _SIGNS[finding.kind.severity]
    yield f"{click.style(sign, colour)} {finding.words}"
    yield f"    fix: {finding.fix}"
    where = f"{finding.place}  " if finding.place else ""
    yield click.style(f"    {where}[{finding.kind.id}]", dim=True)


def _summary(report: Report) -> str:
    errors = sum(finding.kind.severity is Severity.ERROR for finding in report.findings)
    warnings = len(report.findings) - errors
    parts = [f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    return ", ".join(parts) if parts else "nothing found"


def as_json(report: Report) -> str:
    """Return the report as one JSON object; the keys of a finding are always all there."""
    return json.dumps(
        {
            "haproxy": str(report.version) if report.version else None,
            "findings": [_as_object(finding) for finding in report.findings],
            "well": report.well,
            "not_asked": report.unasked,
        },
        ensure_ascii=False,
        indent=2,
    )


def _as_object(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.kind.id,
        "severity": finding.kind.severity.value,
        "words": finding.words,
        "fix": finding.fix,
        "file": finding.place.file if finding.place else None,
        "line": finding.place.line if finding.place else None,
    }
