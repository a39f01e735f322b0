"""What every vendor's switches can do: be set to a value they can take, and tell what they mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(slots=True)
class Switchboard:
    """Base of a dataclass whose fields are switches, each with a default and its meaning."""

    CHOICES: ClassVar[dict[str, tuple[Any, ...]]]
    MEANING: ClassVar[dict[str, str]]

    def set(self, name: str, value: Any) -> None:
        """Change one switch. Raises ValueError for an unknown name or a value it cannot take."""
        kinds = {item.name: type(item.default) for item in fields(self)}
        if name not in kinds:
            raise ValueError(f"unknown switch {name!r}")
        if type(value) is not kinds[name]:
            raise ValueError(f"{name} takes a value like {getattr(self, name)!r}")
        if name in self.CHOICES and value not in self.CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(map(str, self.CHOICES[name]))}")
        setattr(self, name, value)

    def describe(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "value": value,
                "meaning": self.MEANING[name],
                "choices": self.CHOICES.get(name, ()),
            }
            for name, value in asdict(self).items()
        }
