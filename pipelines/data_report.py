"""What was unusual in data and how it was treated: counts, and the first places of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field

PLACES_KEPT = 5


@dataclass
class Finding:
    """One kind of peculiarity: how often it occurs, how it is treated and where it occurs first."""

    kind: str
    treatment: str
    count: int = 0
    places: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = f" ({'; '.join(self.places)}{'; ...' if self.count > len(self.places) else ''})"
        return f"{self.kind}: {self.count}, {self.treatment}{where if self.places else ''}"


@dataclass
class DataReport:
    """The findings about one source, by kind, in the order in which they were met."""

    source: str = ""
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)

    def note(self, kind: str, treatment: str, place: str = "", count: int = 1) -> None:
        """Adds `count` occurrences of `kind`; the first few places are kept."""
        if count == 0:
            return
        for finding in self.findings:
            if finding.kind == kind and finding.treatment == treatment:
                break
        else:
            finding = Finding(kind, treatment)
            self.findings.append(finding)
        finding.count += count
        if place and len(finding.places) < PLACES_KEPT:
            finding.places.append(place)

    def count(self, kind: str) -> int:
        """How often `kind` occurs, under all treatments together."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)

    def as_dict(self) -> dict[str, object]:
        """The report as plain lists and dictionaries, for JSON."""
        return {
            "source": self.source,
            "rows": self.rows,
            "findings": [
                {"kind": f.kind, "treatment": f.treatment, "count": f.count, "places": f.places}
                for f in self.findings
            ],
        }

    def __str__(self) -> str:
        head = f"{self.source}: {self.rows} rows"
        return "\n".join([head, *(f"  {finding}" for finding in self.findings)])
