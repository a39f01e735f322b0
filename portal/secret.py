"""A text that cannot be printed, logged, pickled or sent in a task by accident. No Django here."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NoReturn, final

SHOWS_LAST_FOUR: Final = 16
_DOTS: Final = "••••"


def hashed(text: str) -> bytes:
    """What a table keeps of an address, a state or a session key: random texts of 128 bits or more,
    which need no salt and no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


@final
class Secret:
    """Holds a secret text until `reveal()` is called, which is what a reviewer looks for.

    Raises ValueError for an empty text, for bytes that are not UTF-8 and for lone surrogates; the
    error does not quote them. Copies are the same object, so `dataclasses.asdict` stays closed too.
    """

    __slots__ = ("__text",)
    __text: str

    def __init__(self, value: str | bytes) -> None:
        text = _text(value)
        if text is None:
            raise ValueError("A secret must be text.")
        if not text:
            raise ValueError("A secret must not be empty.")
        object.__setattr__(self, "_Secret__text", text)

    def reveal(self) -> str:
        """The text itself: for the vault and for an Authorization header."""
        return self.__text

    @property
    def last_four(self) -> str:
        """The last four characters for people to compare; empty when that would show too much."""
        tail = self.__text[-4:]
        shown = len(self.__text) >= SHOWS_LAST_FOUR and tail.isascii() and tail.isprintable()
        return tail if shown else ""

    def __repr__(self) -> str:
        return f"Secret({' '.join(filter(None, (_DOTS, self.last_four)))})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]  # a dictionary compares in variable time

    def __str__(self) -> NoReturn:
        raise TypeError("A secret is not printed; call reveal() where it is needed.")

    def __format__(self, specification: str) -> NoReturn:
        raise TypeError("A secret is not formatted; call reveal() where it is needed.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is not pickled; seal it and pass the row's id.")

    def __getstate__(self) -> NoReturn:
        raise TypeError("A secret is not pickled; seal it and pass the row's id.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A secret does not change.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("A secret does not change.")


def _text(value: str | bytes) -> str | None:
    """The value as text that survives UTF-8 and back; None when it is none."""
    try:
        return value.decode() if isinstance(value, bytes) else value.encode().decode()
    except (UnicodeError, AttributeError):  # these errors quote the value: do not let them pass
        return None
