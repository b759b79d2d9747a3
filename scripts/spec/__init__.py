"""From published pages to a generated client, and what a change of the pages means for it.

The commands in `scripts/` (`generate.py` and its neighbours) parse arguments and print; the work is done here.
"""
