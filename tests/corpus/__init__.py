"""Broken method files, each with one mistake."""
