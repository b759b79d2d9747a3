"""Downloading: the source of the bytes, the ranges that are missing, the transfer, and the file on disk."""
