"""A worker in which the methods called ``killed`` and ``bug`` come to the ends that their names say."""

import os
import signal

from recombine import execute, worker
from recombine.callbacks.base import Callback


def work(order, connection):
    """Run a job; the process is one's own, so that what is changed in it concerns nobody else."""
    strange = {"killed": _killed, "bug": _bug}.get(order.resolved["name"])
    if strange is not None:
        execute.run_method = strange(execute.run_method)
    worker.work(order, connection)


class _Suicidal(Callback):
    def __init__(self):
        self.count = 0

    def iteration_done(self, phase, state, losses):
        self.count += 1
        if self.count == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def _killed(run_method):
    return lambda run: run_method(type(run)(**{**vars(run), "callbacks": [*run.callbacks, _Suicidal()]}))


def _bug(run_method):
    return lambda run: {}["bug"]
