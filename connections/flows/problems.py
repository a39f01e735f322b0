"""What a person can mend: raised by flows, shown beside the field by views."""

from __future__ import annotations


class FlowProblem(Exception):
    """`code` is stable, `field` names the input ("" for the whole), `message` says the remedy."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code, self.field, self.message = code, field, message
