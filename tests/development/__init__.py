"""Checks that need a program that is no dependency of ours; see README.md."""
