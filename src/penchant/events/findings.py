"""What validation says: findings on a log, as plain values and as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    code
        Short name, such as `missing_user_id`.
    severity
        `error`: prepare refuses the log; `warning`: a fault it can live with; `info`: a fact.
    message
        What was found, one sentence.
    count
        How often.
    share
        Of the rows (or of the users, where users are counted).
    example
        The first case: where it stands and what stands there.
    advice
        What to do.
    """

    code: str
    severity: Severity
    message: str
    count: int
    share: float
    example: Mapping[str, Any]
    advice: str


@dataclass(frozen=True)
class ValidationReport:
    """All findings on a log, the worst first.

    Parameters
    ----------
    source
        What was looked at.
    num_rows
        Rows, bad ones included.
    num_bad_rows
        Rows that prepare would refuse or drop.
    num_users, num_items
        Among the good rows.
    findings
        Errors, then warnings, then facts.
    notes
        What was guessed in reading.
    """

    source: str
    num_rows: int
    num_bad_rows: int
    num_users: int
    num_items: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether prepare would refuse the log as it is."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are more than facts: what a strict check fails on."""
        return tuple(finding for finding in self.findings if finding.severity != "info")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {
            "source": self.source,
            "refused": self.refused,
            "num_rows": self.num_rows,
            "num_bad_rows": self.num_bad_rows,
            "num_users": self.num_users,
            "num_items": self.num_items,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
        }

    def render(self) -> str:
        """Return the report as plain text."""
        lines = [
            f"{self.source}: {self.num_rows:,} rows, {self.num_users:,} users, "
            f"{self.num_items:,} items, {self.num_bad_rows:,} bad rows"
        ]
        for finding in self.findings:
            lines.append(
                f"{finding.severity:<8} {finding.code}: {finding.count:,} "
                f"({100 * finding.share:.1f} %). {finding.message}"
            )
            if finding.example:
                pairs = [f"{name}={value}" for name, value in finding.example.items()]
                lines.append(f"         for example {', '.join(pairs)}")
            lines.append(f"         {finding.advice}")
        lines += [f"note     {note}" for note in self.notes]
        verdict = "prepare would refuse this log" if self.refused else "prepare would accept it"
        faults = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([*lines, f"{verdict}: {faults}"])
