"""Only a view that says so takes a file, one, into memory; any other is read past unkept.

A file may hold secrets, so none of it ever touches a disk.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

V = TypeVar("V", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wish:
    """The one file that a view takes: the field it comes in, and how large it may be."""

    field: str
    most_bytes: int


def takes_file(field: str, most_bytes: int) -> Callable[[V], V]:
    """For the outermost decorator of a view: its form has one file in this field."""

    def decorate(view: V) -> V:
        view.takes_file = Wish(field, most_bytes)  # type: ignore[attr-defined]
        return view

    return decorate


def was_too_large(request: HttpRequest) -> bool:
    """Whether the view's file was larger than it takes; nothing of it was kept."""
    return bool(getattr(request, "file_was_too_large", False))


class RefuseUploads(FileUploadHandler):
    """Keeps the file that the view asked for, and nothing else (abuse cases F10, F11)."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.is_taken = False
        self.kept = io.BytesIO()
        self.most_bytes = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        match = getattr(self.request, "resolver_match", None)
        wish = getattr(match.func, "takes_file", None) if match else None
        if wish is None or self.field_name != wish.field or self.is_taken:
            raise SkipFile
        self.is_taken, self.most_bytes = True, wish.most_bytes

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        if start + len(raw_data) > self.most_bytes:
            self.kept = io.BytesIO()
            self.request.file_was_too_large = True  # type: ignore[union-attr]
            raise SkipFile
        self.kept.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> InMemoryUploadedFile | None:
        if not self.is_taken or was_too_large(self.request):  # type: ignore[arg-type]
            return None
        self.kept.seek(0)
        return InMemoryUploadedFile(
            self.kept,
            field_name=self.field_name,
            name=self.file_name,
            content_type=self.content_type,
            size=file_size,
            charset=self.charset,
        )
