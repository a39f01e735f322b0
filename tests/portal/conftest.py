"""The cast, for tests of the ground floor."""

from tests.cases import cast

__all__ = ["cast"]
