from __future__ import annotations

collect_ignore = ["sample"]  # a project of its own, run by test_sample.py in a process of its own
