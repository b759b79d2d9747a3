"""Many nights of a plan in virtual time: `python -m tests.sync.nights --help`."""
