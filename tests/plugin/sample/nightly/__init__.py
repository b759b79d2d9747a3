"""The nightly pull of a fictional agency: saves the result of every job, and reports those without one."""

from .pulling import Pulled, pull, unfinished
from .retrying import persistently

__all__ = ["Pulled", "persistently", "pull", "unfinished"]
