"""Small runs to be drawn."""

import copy

from recombine.batch import BatchOptions, prepare
from recombine.execute import RunOptions, execute
from recombine.keeper import SavingOptions
from recombine.load import load_dict
from recombine.logs import LogOptions
from recombine.run_data import RunData
from tests.methods import small

LOSSES_EVERY_STEP = {"/phases/0/design_patterns/0/loss_report_interval": 1}
#: A method with two phases and evaluations, whose centroids lie in the space of the encoder.
TWO_PHASES = {
    **LOSSES_EVERY_STEP,
    "/name": "two phases",
    "/phases/0/exit_criteria/iterations": 6,
    "/phases/1": {
        **small(LOSSES_EVERY_STEP)["phases"][0],
        "name": "more",
        "order": 1,
        "exit_criteria": {"iterations": 4},
        "performance_evaluation_interval": 2,
    },
    "/cluster_assignment_strategy": {
        "type": "centroid_similarity",
        "use_centroids_during_phases": ["more"],
        "centroid_initialization_classical_clustering_num_restarts": 1,
    },
}


def run_of(folder, changes=None, interval=0, saving=None, watchers=()):
    """Run the small method, changed, and return its folder."""
    job, problems = prepare(load_dict(small(copy.deepcopy(changes or {}))), BatchOptions(LogOptions(folder)), {})
    assert job is not None, problems
    options = RunOptions(saving or SavingOptions(), shares_phases=False, embedding_interval=interval)
    result, _ = execute(job, LogOptions(folder), lambda line: None, watchers, options)
    return result.folder


def dataset_of(folder, name="Digits", data_root=None):
    """Return what a run left behind of one dataset."""
    return RunData(folder, data_root).datasets[name]
