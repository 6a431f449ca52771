from types import SimpleNamespace

import numpy as np

from recombine.grouping import by_class, by_cluster, by_cluster_then, class_looks, cluster_looks


def dataset(labels=None, clusters=None, names=None, matching=None, num_clusters=4):
    """Return what groupings look at; all samples are shown, the last first."""
    count = len(labels if labels is not None else clusters)
    config = SimpleNamespace(num_clusters=num_clusters)
    return SimpleNamespace(
        labels=None if labels is None else np.array(labels),
        clusters=None if clusters is None else np.array(clusters),
        class_names=names or {},
        matching=matching or {},
        positions=np.arange(count)[::-1],
        run=SimpleNamespace(config=SimpleNamespace(datasets=[config])),
    )


def test_classes_are_numbered_in_order_and_long_names_stand_in_the_legend():
    found = class_looks(dataset([0], names={7: "7", 2: "cat", 30: "trouser", 31: "31 - boot"}))
    assert {label: (look.number, look.mark, look.name) for label, look in found.items()} == {
        2: (0, "cat", "cat"),
        7: (1, "7", "7"),
        30: (2, "30", "30: trouser"),
        31: (3, "31", "31 - boot"),
    }


def test_a_cluster_has_the_colour_of_its_class():
    described = dataset([3, 5], [1, 0], {3: "3", 5: "5"}, {1: 3, 0: 5})
    looks = cluster_looks(described)
    assert {cluster: (look.number, look.name) for cluster, look in looks.items()} == {
        1: (0, "1 (class 3)"),
        0: (1, "0 (class 5)"),
        2: (2, "2 (no class)"),
        3: (3, "3 (no class)"),
    }


def test_without_labels_a_cluster_has_its_own_number():
    described = dataset(clusters=[0, 2])
    assert by_class(described) is None
    assert {cluster: (look.number, look.name) for cluster, look in cluster_looks(described).items()} == {
        cluster: (cluster, str(cluster)) for cluster in range(4)
    }


def test_groups_are_those_of_the_shown_samples():
    described = dataset([3, 3, 5], [1, 0, 0], {3: "3", 5: "5"}, {1: 3, 0: 5})
    assert by_class(described).values.tolist() == [5, 3, 3]
    final = by_cluster(described)
    assert (final.title, final.values.tolist()) == ("by final cluster", [0, 0, 1])
    assert final.present() == [1, 0]  # by the number of the class
    then = by_cluster_then(described, np.array([2, 2, 3]))
    assert (then.title, then.values.tolist(), then.present()) == ("by cluster", [2, 2, 3], [2, 3])
    assert by_cluster_then(described, None).title == "by final cluster (none assigned yet)"


def test_without_clusters_there_is_no_grouping_by_cluster():
    assert by_cluster(dataset([1])) is None
