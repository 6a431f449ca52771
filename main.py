"""Run deep clustering methods described in JSON files: ``python main.py FILES_OR_DIRECTORIES``."""

from recombine.cli import main

if __name__ == "__main__":
    main()
