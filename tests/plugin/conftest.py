from __future__ import annotations

collect_ignore = ["sample"]  # a separate project, which test_sample.py runs in a process of its own
