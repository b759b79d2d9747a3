"""Waiting, by simulation: requests a job against how late its end is noticed."""
