"""Pictures of runs: one file each, found by looking into this folder."""
