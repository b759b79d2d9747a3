"""The files that a plan names: what brings each up to date, within the limits of its account."""
