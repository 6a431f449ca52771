"""Sets that were clustered one by one."""

from collections.abc import Iterator

from recombine.canvas import Still
from recombine.plots.base import Picture, Studio, title
from recombine.run_data import DatasetRun, MissingError
from recombine.set_folder import SETS, KeptSets
from recombine.set_pictures import count_pictures, example_pictures, hierarchy_picture

_NO_EXAMPLES = 'the run kept no example: num_examples of "sets" is 0, or the strategy is not "set_clustering"'


class Sets(Picture):
    """The first sets of the last evaluation: classes, clusters, numbers of clusters; and a hierarchy of features."""

    name, order = "sets", 8

    def draw(self, dataset: DatasetRun, studio: Studio) -> Iterator[tuple[str, Still]]:
        """Yield ``sets/<number>/...`` for each set, ``sets/hierarchy_<metric>`` and ``sets/count_uncertainty...``."""
        try:
            kept = KeptSets(dataset.folder / SETS)
        except FileNotFoundError as error:
            raise MissingError("the dataset makes no sets, or was not scored") from error
        if not kept.examples and not kept.uncertainty and kept.hierarchies is None:
            raise MissingError(_NO_EXAMPLES)
        for example in kept.examples:
            for name, still in example_pictures(example):
                yield f"{SETS}/{example.number:03}/{name}", still
        for number, found in enumerate(kept.uncertainty):
            for name, still in count_pictures(found, title(dataset, f"set {number}")):
                yield f"{SETS}/{number:03}_{name}", still
        if kept.hierarchies is not None:
            classes = [str(label) for label in kept.hierarchies.classes.tolist()]
            for metric, tree in kept.hierarchies.by_metric.items():
                words = title(dataset, f"{len(classes)} objects, {metric} distances")
                yield f"{SETS}/hierarchy_{metric}", hierarchy_picture(tree, words, classes)
