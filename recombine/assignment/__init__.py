"""Cluster assignment strategies: one file each, found by looking into the schema folder."""
