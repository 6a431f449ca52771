"""Generators of method files, wrong ones and right ones, and what must become of each."""
