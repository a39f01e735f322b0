"""The projects and issues that are there from the start, in workflows that differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integrations.sandbox.jira.world import JiraSite, Project, Status, Transition, Workflow

OPEN, PROGRESS = Status("1", "Open", "new"), Status("3", "In Progress", "indeterminate")
REVIEW = Status("10001", "In Review", "indeterminate")
DONE, CLOSED = Status("10002", "Done", "done"), Status("6", "Closed", "done")
TODO = Status("10000", "To Do", "new")

STEPS = Workflow(
    (OPEN, PROGRESS, REVIEW, DONE),
    (
        Transition("11", "Start Progress", PROGRESS.id, (OPEN.id,)),
        Transition("41", "Stop Progress", OPEN.id, (PROGRESS.id,)),
        Transition("31", "Send to Review", REVIEW.id, (PROGRESS.id,)),
        Transition("51", "Approve", DONE.id, (REVIEW.id,)),
        Transition("61", "Reject", PROGRESS.id, (REVIEW.id,)),
        Transition("21", "Resolve Issue", DONE.id, (OPEN.id, PROGRESS.id, REVIEW.id)),
        Transition("71", "Reopen Issue", OPEN.id, (DONE.id,)),
    ),
)
# Anything from anywhere, as in team-managed projects.
SIMPLE = Workflow(
    (TODO, PROGRESS, DONE),
    (
        Transition("11", "To Do", TODO.id),
        Transition("21", "In Progress", PROGRESS.id),
        Transition("31", "Done", DONE.id),
    ),
)
# Names that begin alike; and one that administrators alone see.
ALIKE = Workflow(
    (OPEN, PROGRESS, REVIEW, CLOSED),
    (
        Transition("11", "Start progress", PROGRESS.id, (OPEN.id,)),
        Transition("12", "Start review", REVIEW.id, (OPEN.id, PROGRESS.id)),
        Transition("21", "Close Issue", CLOSED.id),
        Transition("22", "Close as duplicate", CLOSED.id),
        Transition("31", "Archive", CLOSED.id, admins=True),
        Transition("41", "Reopen", OPEN.id, (CLOSED.id,)),
    ),
)
# site → key, name, workflow, style, how many issues
PROJECTS: dict[str, tuple[tuple[str, str, Workflow, str, int], ...]] = {
    "acme": (
        ("PAY", "Payments", STEPS, "classic", 40),
        ("OPS", "Operations & <Reliability>", SIMPLE, "next-gen", 25),
        ("WEB", "Web shop", ALIKE, "classic", 15),
        ("Z9", "ארכיון", SIMPLE, "classic", 3),
    ),
    "fjord": (("LAB", "Research 🔬", SIMPLE, "next-gen", 12), ("PAY", "Lønn", STEPS, "classic", 5)),
}
SUMMARIES = (
    "Card payments fail for amounts with øre", "Let people pay with a gift card",
    "Retry when the bank is silent", "Ledger and bank disagree by one cent",
    "<script>alert(1)</script> in a product's name", "Speed up the month's report",
    "הוספת תמיכה בעברית", "Show the tax of each line", "Rotate the signing key",
    "Refunds arrive twice", "Remove the old exporter", "Alert when a queue grows 🚨",
)  # fmt: skip


def build(name: str, people: Sequence[str], now: Callable[[], float]) -> JiraSite:
    """Return a site's projects and issues; a few issues are further in their workflow."""
    site = JiraSite(now)
    for place, (key, title, workflow, style, count) in enumerate(PROJECTS.get(name, ())):
        lead = people[place % len(people)]
        project = Project(str(10_000 + place), key, title, workflow, lead, style)
        site.projects[key] = project
        grow(site, project, people, count)
    return site


def grow(site: JiraSite, project: Project, people: Sequence[str], count: int) -> None:
    """Add issues until the project has numbered this many."""
    for number in range(project.last_number + 1, count + 1):
        issue = site.add(project, SUMMARIES[number % len(SUMMARIES)], people[number % len(people)])
        statuses = project.workflow.statuses
        if number > 20:
            issue.status = statuses[number % len(statuses)].id
        if number % 3 == 0:
            issue.assignee = people[(number + 1) % len(people)]
