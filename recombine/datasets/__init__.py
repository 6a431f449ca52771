"""Datasets of this project: one file each, found by looking into this folder."""
