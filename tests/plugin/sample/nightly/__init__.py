"""The nightly pull of a fictional agency: every job's result into a folder, and a word on each that has none."""

from .pulling import Pulled, pull, unfinished
from .retrying import persistently

__all__ = ["Pulled", "persistently", "pull", "unfinished"]
