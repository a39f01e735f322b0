"""Almanac: a product that nobody makes, linked by one folder and one line of the settings."""

from tests.seventh.connector import CONNECTOR

__all__ = ["CONNECTOR"]
