"""The tests. They run in several processes, each of them with one thread: more would fight for the same processors."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
