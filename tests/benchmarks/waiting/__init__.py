"""Simulations of waiting: requests per job against the delay until its end is noticed."""
