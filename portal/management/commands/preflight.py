"""`manage.py preflight`: what the migrations that wait would do; exit code 1 if it is dangerous."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from portal import preflight
from portal.phrases import plural
from portal.preflight_effects import Verdict, Work
from portal.preflight_now import Finding
from portal.preflight_plan import Held, Step
from portal.preflight_rates import Range

MARKS = {Verdict.FINE: "right ", Verdict.NOTE: "note  ", Verdict.DANGER: "danger"}


class Command(BaseCommand):
    help = "Says what an upgrade would lock, change and stop. Run it with the new version's code."
    requires_system_checks: list[str] = []  # the old schema is not what they expect

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="everything, for a machine")
        parser.add_argument("--disk", type=Path, help="a folder on the database's disk")
        parser.add_argument(
            "--longest-wait",
            type=float,
            default=preflight.LONGEST_WAIT,
            help="seconds that people may wait for a table",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Writes the report; changes nothing."""
        try:
            report = preflight.examine(longest_wait=options["longest_wait"], disk=options["disk"])
        except DatabaseError as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise CommandError(f"The database does not answer ({first}).") from None
        if options["json"]:
            self.stdout.write(as_json(report))
        else:
            self._tell(report)
        if report.is_dangerous:
            raise SystemExit(1)

    def _tell(self, report: preflight.Report) -> None:
        for step in report.steps:
            self._step(step)
        for one in report.touched:
            parts = ", ".join(f"{name} {count:,}" for name, count in sorted(one.parts.items()))
            total = f"{one.what}: {one.count:,} of {plural(one.organizations, 'organization')}"
            self.stdout.write(f"touched {total}{f' ({parts})' if parts else ''}")
        for finding in report.findings:
            self._finding(finding)
        self._end(report)

    def _step(self, step: Step) -> None:
        self.stdout.write(f"\n{step.name}: {spelled(step.seconds)}")
        for held in step.held:
            self.stdout.write(f"    {row(held)}")
        for effect in step.effects:
            if effect.verdict or effect.work is not Work.NONE:
                why = f": {effect.why}" if effect.why else f" ({effect.work})"
                self.stdout.write(f"  {MARKS[effect.verdict]} {effect.what}{why}")
        if not step.dangers:
            self.stdout.write("  right  the version before keeps running")

    def _finding(self, finding: Finding) -> None:
        line = f"{MARKS[finding.verdict]}  {finding.what} {finding.remedy}".rstrip()
        self.stdout.write(self.style.ERROR(line) if finding.verdict is Verdict.DANGER else line)

    def _end(self, report: preflight.Report) -> None:
        if report.is_dangerous:
            self.stdout.write(
                f"\nDo not migrate yet: {plural(len(report.dangers), 'danger')}, see above."
            )
        elif report.steps:
            self.stdout.write(f"\n{plural(len(report.steps), 'migration')} may run.")
        else:
            self.stdout.write("\nNo migration waits.")


def row(held: Held) -> str:
    """One table that is locked."""
    size = f"about {held.size.rows:,} rows, {held.size.with_indexes / (1 << 20):,.1f} MiB"
    return f"{held.table}: {size}, {held.lock.label} for {spelled(held.seconds)}, {held.lock.stops}"


def spelled(seconds: Range) -> str:
    """A range in the unit that suits it."""
    if seconds.high < 1:
        return f"{seconds.low * 1000:,.0f} to {seconds.high * 1000:,.0f} ms"
    if seconds.high < 120:
        return f"{seconds.low:,.1f} to {seconds.high:,.1f} s"
    return f"{seconds.low / 60:,.1f} to {seconds.high / 60:,.1f} min"


def as_json(report: preflight.Report) -> str:
    """The same, whole; verdicts and locks by name."""
    return json.dumps(
        {
            "dangerous": report.is_dangerous,
            "dangers": report.dangers,
            "migrations": [_as_object(step) for step in report.steps],
            "touched": [asdict(one) for one in report.touched],
            "findings": [asdict(one) | {"verdict": one.verdict.name} for one in report.findings],
        },
        indent=2,
    )


def _as_object(step: Step) -> dict[str, Any]:
    effects = [
        {
            "what": effect.what,
            "locks": [[table, lock.label] for table, lock in effect.locks],
            "work": effect.work.value,
            "verdict": effect.verdict.name,
            "why": effect.why,
        }
        for effect in step.effects
    ]
    return {
        "name": step.name,
        "seconds": asdict(step.seconds),
        "disk": step.disk,
        "held": [asdict(held) | {"lock": held.lock.label} for held in step.held],
        "effects": effects,
    }
