"""Every picture shows what the run left behind."""

import numpy as np
import pytest
import torch

from recombine.grouping import by_class, by_cluster_then, class_looks, cluster_looks
from recombine.palette import colour
from recombine.plots.base import Picture, Studio, pictures
from recombine.projection import layout
from recombine.run_data import MissingError
from recombine.samples import plain_view
from recombine.trained import trained
from tests.methods import DIVERGING, small
from tests.pictures import LOSSES_EVERY_STEP, TWO_PHASES, dataset_of, run_of
from tests.stops import Stop

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
from matplotlib.colors import to_hex  # noqa: E402

NAMES = ["raw", "latent", "reconstructions", "centroids", "confusion", "losses", "scores", "film", "sets"]
LINES = {"dataset": "Table", "root": "table.csv", "batch_size": 4, "num_clusters": 2}


def drawn(name, dataset, projection="pca"):
    """Return the pictures of one kind by file name."""
    return dict(pictures()[name].draw(dataset, Studio(projection)))


def coloured(axes):
    """Return the colour of each point by its place, rounded."""
    found = {}
    for collection in axes.collections:
        faces = collection.get_facecolors()
        offsets = np.asarray(collection.get_offsets())
        found |= {
            tuple(np.round(place, 6)): to_hex(face) for place, face in zip(offsets, faces, strict=len(offsets) > 1)
        }
    return found


def expected(points, looks, values):
    """Return the colour that each sample should have by its place, rounded."""
    places = map(tuple, np.round(points, 6))
    return {place: colour(looks[int(value)].number) for place, value in zip(places, values, strict=True)}


def texts(figure):
    """Return the title and the second line."""
    return [text.get_text() for text in figure.texts if text.get_text().strip()][:2]


def test_the_folder_is_the_list_of_pictures():
    assert list(pictures()) == NAMES
    assert all(isinstance(picture, Picture) for picture in pictures().values())


def test_raw_shows_the_plain_view(two_phases):
    dataset = dataset_of(two_phases)
    figure = drawn("raw", dataset)["raw"].figure
    points = layout(plain_view(dataset.data, dataset.positions).flatten(1).numpy(), "pca").points
    by, final = figure.axes
    assert coloured(by) == expected(points, class_looks(dataset), dataset.labels)
    assert coloured(final) == expected(points, cluster_looks(dataset), dataset.clusters)
    assert [axes.get_title(loc="left") for axes in (by, final)] == ["by true class", "by final cluster"]
    assert texts(figure) == ["two phases · Digits · raw space, 64 features", "n = 60 · PCA · seed 0"]


def test_the_plain_view_is_that_of_the_positions(two_phases):
    data = dataset_of(two_phases).data
    whole = next(iter(data.evaluation_batches(60))).views["plain"]
    assert torch.equal(plain_view(data, np.array([3, 17, 40])), whole[[3, 17, 40]])


def test_latent_shows_the_end_of_each_phase(two_phases):
    dataset = dataset_of(two_phases)
    found = drawn("latent", dataset)
    assert list(found) == ["latent_1_training", "latent_2_more"]
    ends = [moment for moment in dataset.moments if moment.is_end]
    for still, moment in zip(found.values(), ends, strict=True):
        frame = dataset.frame(moment)
        points = layout(frame.features, "pca").points
        by, cluster = still.figure.axes
        assert coloured(by) == expected(points, class_looks(dataset), dataset.labels)
        clusters = dataset.clusters if frame.clusters is None else frame.clusters
        assert coloured(cluster) == expected(points, cluster_looks(dataset), clusters)
    titles = [still.figure.axes[1].get_title(loc="left") for still in found.values()]
    assert titles == ["by final cluster (none assigned yet)", "by cluster"]
    assert texts(found["latent_2_more"].figure) == [
        'two phases · Digits · latent space after phase "more" (4 iterations)',
        "n = 60 · 3 features · PCA · seed 0",
    ]


def test_a_phase_that_was_stopped_is_shown_at_its_last_embedding(tmp_path):
    dataset = dataset_of(run_of(tmp_path, TWO_PHASES, interval=1, watchers=[Stop(8)]))
    figure = drawn("latent", dataset)["latent_2_more"].figure
    title = 'two phases · Digits · latent space in phase "more" at iteration 2 · interrupted run'
    assert texts(figure)[0] == title


def test_a_dataset_that_was_only_scored_is_shown(tmp_path):
    second = {**small()["datasets"][0], "name": "new", "order": 1, "reinitialize_mappings": False, "phases": []}
    dataset = dataset_of(run_of(tmp_path, {"/datasets/0/order": 0, "/datasets/1": second}), "new")
    assert texts(drawn("latent", dataset)["latent"].figure)[0].endswith(
        "latent space as scored, without training on it"
    )
    assert list(drawn("reconstructions", dataset)) == ["reconstructions"]


def test_confusion_shows_counts_and_shares(two_phases):
    dataset = dataset_of(two_phases)
    table = dataset.confusion.table
    figure = drawn("confusion", dataset)["confusion"].figure
    axes = figure.axes[0]
    shares = np.asarray(axes.images[0].get_array())
    assert np.allclose(shares, table / table.sum(1, keepdims=True))
    written = {(int(x), int(y)): text.get_text() for text in axes.texts for x, y in [text.get_position()]}
    rows, columns = np.nonzero(table)
    assert written == {(c, r): str(table[r, c]) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(c) for c in dataset.confusion.clusters]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(dataset.confusion.classes)
    matched = int(np.trace(table))
    assert f"{matched} of n = 60 (ACC {matched / 60:.3f})" in texts(figure)[1]


def test_losses_are_those_of_the_history(two_phases):
    dataset = dataset_of(two_phases)
    axes = drawn("losses", dataset)["losses"].figure.axes[0]
    assert axes.get_title(loc="left") == "reconstruction"
    events = [event for event in dataset.events if event["event"] == "losses"]
    values = [event["losses"]["reconstruction"] for event in events]
    iterations = [event["iteration"] + (6 if event["phase"] == "more" else 0) for event in events]
    first, second = (line for line in axes.lines if len(line.get_xdata()) > 2)
    assert [*first.get_xdata(), *second.get_xdata()] == iterations
    assert [*first.get_ydata(), *second.get_ydata()] == values
    assert [text.get_text() for text in axes.texts] == ["training", "more"]


def test_losses_on_held_out_samples_stand_beside_those_of_the_training(tmp_path):
    changes = {"/phases/0/validation": {"fraction": 0.2, "interval": 1}, "/phases/0/exit_criteria/iterations": 4}
    dataset = dataset_of(run_of(tmp_path, {**LOSSES_EVERY_STEP, "/datasets/0/shuffle": True, **changes}))
    figure = drawn("losses", dataset)["losses"].figure
    own, total = figure.axes[:2]
    assert [axes.get_title(loc="left") for axes in (own, total)] == ["reconstruction", "validation_loss"]
    events = {kind: [e for e in dataset.events if e["event"] == kind] for kind in ("losses", "validation")}
    lines = [[*line.get_ydata()] for line in own.lines]
    assert lines == [[event["losses"]["reconstruction"] for event in events[kind]] for kind in events]
    assert [line.get_linestyle() for line in own.lines] == ["-", "--"]
    assert [*total.lines[0].get_ydata()] == [event["loss"] for event in events["validation"]]
    assert "dashed: means over held-out samples" in texts(figure)[1]


def test_scores_are_those_of_the_history(two_phases):
    dataset = dataset_of(two_phases)
    against, without = drawn("scores", dataset)["scores"].figure.axes
    events = [event for event in dataset.events if event["event"] == "evaluation" and event["phase"] == "more"]
    lines = {line.get_label(): line for line in against.lines}
    assert list(lines["ACC"].get_xdata()) == [8, 10]
    assert list(lines["NMI"].get_ydata()) == [event["scores"]["nmi"] for event in events]
    free = {line.get_label(): line for line in without.lines}
    assert list(free["silhouette"].get_ydata()) == [event["label_free"]["silhouette"] for event in events]
    assert list(free["share reassigned"].get_ydata()) == [events[1]["reassignment_ratio"]]


def test_reconstructions_stand_beside_their_originals(two_phases):
    dataset = dataset_of(two_phases)
    figure = drawn("reconstructions", dataset)["reconstructions"].figure
    panels = np.array(figure.axes).reshape(10, 8)
    assert [axes.get_ylabel() for axes in panels[:, 0]] == [f"class {label}" for label in range(10)]
    samples = plain_view(dataset.data, dataset.positions).numpy()
    for label in (0, 7):
        chosen = np.flatnonzero(dataset.labels == label)[:4]
        shown = [np.asarray(axes.images[0].get_array()) for axes in panels[label, ::2] if axes.images]
        assert np.array_equal(np.stack(shown), samples[chosen, 0])
    assert not np.array_equal(panels[0, 0].images[0].get_array(), panels[0, 1].images[0].get_array())
    assert panels[0, 1].images[0].get_clim() == panels[0, 0].images[0].get_clim() == (0, 1)
    assert [axes.get_title() for axes in panels[0]] == ["original", "decoded"] * 4


def test_centroids_are_decoded(two_phases):
    dataset = dataset_of(two_phases)
    method = trained(dataset).method
    figure = drawn("centroids", dataset)["centroids"].figure
    looks = cluster_looks(dataset)
    order = sorted(range(4), key=lambda cluster: looks[cluster].number)
    with torch.no_grad():
        decoded = method.mappings["decoder"](method.centroids.positions).reshape(4, 8, 8).numpy()
    for axes, cluster in zip(figure.axes, order, strict=True):
        assert axes.get_title() == looks[cluster].name
        assert np.allclose(axes.images[0].get_array(), decoded[cluster])
    assert "decoded centroids after phase" in texts(figure)[0]


def test_without_centroids_the_means_of_the_clusters_are_decoded(tmp_path):
    dataset = dataset_of(run_of(tmp_path))
    figure = drawn("centroids", dataset)["centroids"].figure
    assert "decoded means of the clusters" in texts(figure)[0]
    assert len([axes for axes in figure.axes if axes.images]) == len(np.unique(dataset.clusters))


def test_where_k_means_has_the_last_word_its_clusters_are_shown(tmp_path):
    strategy = {
        "type": "k_means_after_phase",
        "classical_clustering_in_feature_space_after_phase": "more",
        "classical_clustering_in_feature_space_after_phase_num_restarts": 1,
        "use_centroids_during_phases": ["more"],
        "centroid_initialization_classical_clustering_num_restarts": 1,
    }
    target = {"pattern": "target_distribution", "target_distribution_recalculation_interval": 2}
    changes = {**TWO_PHASES, "/cluster_assignment_strategy": strategy, "/phases/1/design_patterns/1": target}
    dataset = dataset_of(run_of(tmp_path, changes))
    assert trained(dataset).method.centroids is not None
    figure = drawn("centroids", dataset)["centroids"].figure
    assert "decoded means of the clusters" in texts(figure)[0]
    looks = cluster_looks(dataset)
    frame = dataset.frame(dataset.moments[-1])
    shown = {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images}
    members = dataset.clusters[frame.positions]
    for cluster in np.unique(members):
        mean = torch.from_numpy(frame.features[members == cluster].mean(0, keepdims=True))
        with torch.no_grad():
            decoded = trained(dataset).method.mappings["decoder"](mean).reshape(8, 8).numpy()
        assert np.allclose(shown[looks[cluster].name], decoded, atol=1e-5)


def test_a_decoder_that_needs_switches_leaves_the_nearest_samples(tmp_path):
    layers = [
        {"type": "Conv2d", "in_channels": 1, "out_channels": 2, "kernel_size": 3},
        {"type": "MaxPool2d", "kernel_size": 2, "return_indices": True},
        {"type": "Flatten"},
    ]
    unpooled = {"/mappings/0/layers": layers, "/mappings/1/layers": None, "/mappings/1/mirror_of": "encoder"}
    dataset = dataset_of(run_of(tmp_path, {**TWO_PHASES, **unpooled}))
    figure = drawn("centroids", dataset)["centroids"].figure
    assert "samples nearest to the centroids" in texts(figure)[0]
    frame = dataset.frame(dataset.moments[-1])
    centroids = trained(dataset).method.centroids.positions.detach().numpy()
    looks = cluster_looks(dataset)
    shown = {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes}
    for cluster, centroid in enumerate(centroids):
        nearest = np.square(frame.features - centroid).sum(1).argmin()
        sample = plain_view(dataset.data, frame.positions[nearest : nearest + 1]).numpy()
        assert np.array_equal(shown[looks[cluster].name], sample[0, 0])


def test_samples_that_are_no_images_are_curves(tmp_path):
    (tmp_path / "table.csv").write_text("\n".join(f"{i},{i % 3},{i * i % 7}" for i in range(12)))
    linear = [{"type": "Linear", "in_features": 3, "out_features": 3}]
    changes = {
        "/datasets/0": {**LINES, "root": str(tmp_path / "table.csv")},
        "/mappings/0/layers": linear,
        "/mappings/1/layers": linear,
        "/cluster_assignment_strategy/classical_clustering_in_feature_space_after_phase_num_restarts": 1,
    }
    dataset = dataset_of(run_of(tmp_path / "logs", changes), "Table")
    figure = drawn("reconstructions", dataset)["reconstructions"].figure
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["cluster 0", "cluster 1"]
    original, decoded = figure.axes[0].lines
    first = plain_view(dataset.data, np.flatnonzero(dataset.clusters == 0)[:1]).numpy()[0]
    assert np.array_equal(original.get_ydata(), first)
    assert not np.array_equal(original.get_ydata(), decoded.get_ydata())
    assert len(drawn("raw", dataset)["raw"].figure.axes) == 1
    with pytest.raises(MissingError, match="it has no labels, makes sets, or was not scored"):
        drawn("confusion", dataset)


def test_the_film_ends_at_the_still_picture(two_phases):
    dataset = dataset_of(two_phases)
    film = drawn("film", dataset)["film"]
    film._show(film.count - 1)
    still = drawn("latent", dataset)["latent_2_more"].figure
    for moving, resting in zip(film.figure.axes, still.axes, strict=True):
        assert coloured(moving) == coloured(resting)
    assert film.figure._supxlabel.get_text() == "more, iteration 4"


def test_the_film_goes_from_embedding_to_embedding(two_phases):
    dataset = dataset_of(two_phases)
    film = drawn("film", dataset)["film"]
    moments = dataset.moments
    assert len(moments) == 12  # seven of the first phase, five of the second
    between, rest = divmod(film.count - 1, len(moments) - 1)
    assert (between, rest) == (6, 0)
    plane = layout(dataset.frame(moments[-1]).features, "pca").points
    axes = np.linalg.lstsq(_centred(dataset, moments[-1], moments[-1]), plane, rcond=None)[0]
    for number in (0, 4):
        film._show(number * between)
        points = _centred(dataset, moments[number], moments[-1]) @ axes
        values = by_class(dataset).values
        assert coloured(film.figure.axes[0]).keys() == expected(points, class_looks(dataset), values).keys()
    film._show(0)
    caption = "training, iteration 0 (nothing assigned yet: final clusters)"
    assert film.figure._supxlabel.get_text() == caption
    film._show(3)
    halfway = coloured(film.figure.axes[0])
    first, second = (_centred(dataset, moment, moments[-1]) @ axes for moment in moments[:2])
    assert halfway.keys() == expected((first + second) / 2, class_looks(dataset), by_class(dataset).values).keys()


def _centred(dataset, moment, last):
    """Return the features of a moment as they lie around the mean of the last one."""
    features, end = (dataset.frame(one).features.astype(np.float64) for one in (moment, last))
    return features - end.mean(0)


def test_clusters_change_where_an_embedding_is_reached(two_phases):
    dataset = dataset_of(two_phases)
    film = drawn("film", dataset)["film"]
    place = next(number for number, moment in enumerate(dataset.moments) if moment.position == 1)
    clusters = dataset.frame(dataset.moments[place]).clusters
    looks = by_cluster_then(dataset, clusters).looks
    film._show(place * 6)
    wanted = sorted(colour(looks[int(cluster)].number) for cluster in clusters)
    assert sorted(coloured(film.figure.axes[1]).values()) == wanted


def test_a_film_needs_an_interval(tmp_path):
    dataset = dataset_of(run_of(tmp_path, TWO_PHASES))
    with pytest.raises(MissingError, match=r"the run kept 2: run it again with --fresh --keep-embeddings N"):
        drawn("film", dataset)


def test_losses_of_a_run_that_diverged_are_shown(tmp_path):
    changes = {**DIVERGING, "/phases/0/design_patterns/0/loss_report_interval": 1}
    dataset = dataset_of(run_of(tmp_path, changes))
    assert texts(drawn("losses", dataset)["losses"].figure)[0] == "diverging · Digits · losses · failed run"


@pytest.mark.parametrize("name", ["losses", "scores"])
def test_what_is_not_in_the_history_is_said(tmp_path, name):
    dataset = dataset_of(run_of(tmp_path))
    words = {"losses": "the history has no losses", "scores": "the phases have no performance_evaluation_interval"}
    with pytest.raises(MissingError, match=words[name]):
        drawn(name, dataset)


def test_scores_before_any_assignment_are_said_to_be_missing(tmp_path):
    dataset = dataset_of(run_of(tmp_path, {"/phases/0/performance_evaluation_interval": 1}))
    with pytest.raises(MissingError, match="^nothing was assigned yet when the phases were evaluated$"):
        drawn("scores", dataset)
