"""The section of ``docs/results.md`` about Clustering with Deep Learning (Aljalbout et al.)."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import common

#: ACC and NMI that are published, by dataset and by what k-means clustered.
_PUBLISHED = {
    "mnist": {
        "pixels": (0.542, 0.480),
        "autoencoder": (0.760, 0.667),
        "k_means": (0.781, 0.796),
        "kl": (0.859, 0.825),
    },
    "coil20": {
        "pixels": (0.689, 0.793),
        "autoencoder": (0.739, 0.828),
        "k_means": (0.745, 0.846),
        "kl": (0.762, 0.848),
    },
}
_TITLES = {"mnist": "MNIST", "coil20": "COIL-20"}
_WORDS = {"pixels": "pixels", "autoencoder": "autoencoder", "k_means": "+ k-means loss", "kl": "+ KL divergence"}
_FEWEST_FOR_DEVIATION = 2
_HEAD_OF_RUNS = [
    *("dataset", "architecture", "configuration", "loss", "seed", "epochs"),
    *("precision", "threads", "minutes", "ACC", "NMI", "ARI"),
]
_WORDS_BEFORE = (
    "Their architectures, from `configurations/dcjc`: k-means with 20 restarts on raw pixels (a check of the data), on "
    "the features after pretraining, and after either loss; mean and standard deviation over the seeds, beside what "
    "their README gives (one run each as it seems; which architecture was theirs for COIL-20 is not said). Epochs were "
    "fixed before the runs of this table, and are few: two cores without a GPU.\n",
    "*Oracle*: that images are moved (with views: in pretraining, and for the KL divergence), and the few epochs, were "
    "chosen by scores on seed 7. Moved images for the k-means loss as well gave ACC 0.318 on seed 1: nothing keeps its "
    "clusters apart, and they collapse.\n",
)
_COIL = (
    "COIL-20 has 144 batches of 10 in an epoch, and a minute or more is needed for one on a core: one epoch of "
    "pretraining and one of clustering. Architecture 0 was fixed beforehand for three seeds, the others have one. "
    "*Oracle*: that more pretraining of architecture 0 did not help was seen on seed 7. After so little pretraining "
    "the clustering losses do harm to architectures 1 to 7: the k-means loss pulls the features of most of them onto "
    "few points, which switches let the decoder bear, and the KL divergence drives those of 4 and 5 far apart.\n"
)
_PICTURES = (
    "Seed 0 with views and the KL divergence, as `recombine plot` draws it (made small by `bench/pictures.py`): the "
    "latent space after pretraining and after clustering, classes and clusters, and the film of both phases.\n",
    "![](pictures/latent_1_pretraining.png)\n",
    "![](pictures/latent_2_clustering.png)\n",
    "![](pictures/confusion.png)\n",
    "![](pictures/film.gif)\n",
)

Run = dict[str, Any]
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]


def section(table: Table) -> list[str]:
    """Return the section, or nothing where nothing was measured."""
    content = common.read("dcjc.json")
    if content is None:
        return []
    runs: list[Run] = content["runs"]
    rows = [row for dataset in _PUBLISHED for row in _rows(dataset, content)]
    head = [
        "dataset",
        "architecture",
        "configuration",
        "what is clustered",
        "n",
        "seeds",
        "ACC",
        "NMI",
        "published ACC",
        "NMI",
    ]
    return [
        "## Clustering with Deep Learning (Aljalbout et al.)\n",
        *_WORDS_BEFORE,
        table(head, rows),
        _COIL,
        *_PICTURES,
        "Each run. Minutes are those of its training, of phases that it took over from another run included, on a "
        "machine that did other things at the same time.\n",
        table(_HEAD_OF_RUNS, [_run_row(run) for run in runs]),
    ]


def _rows(dataset: str, content: dict[str, Any]) -> Iterator[list[object]]:
    """Yield the rows of a dataset."""
    pixels = [run for run in content["pixels"] if run["dataset"] == dataset]
    if pixels:
        yield _row(dataset, ("", ""), "pixels", pixels, [run["scores"] for run in pixels])
    runs = [run for run in content["runs"] if run["dataset"] == dataset]
    for place in sorted({(run["architecture"], run["variant"]) for run in runs}):
        of_it = [run for run in runs if (run["architecture"], run["variant"]) == place]
        first = list({run["seed"]: run for run in sorted(of_it, key=lambda run: run["seed"])}.values())
        scores = [run["at_phase_ends"]["pretraining"] for run in first]
        yield _row(dataset, place, "autoencoder", first, scores)
        for loss in ("k_means", "kl"):
            found = [run for run in of_it if run["loss"] == loss]
            if found:
                yield _row(dataset, place, loss, found, [run["final"] for run in found])


def _row(
    dataset: str, place: tuple[object, str], what: str, runs: Sequence[Run], scores: Sequence[Any]
) -> list[object]:
    seeds = ", ".join(str(run["seed"]) for run in runs)
    cells = [_mean([entry[metric] for entry in scores]) for metric in ("acc", "nmi")]
    published = [f"{value:.3f}" for value in _PUBLISHED[dataset][what]]
    return [_TITLES[dataset], *place, _WORDS[what], f"{runs[0]['num_samples']:,}", seeds, *cells, *published]


def _mean(values: Sequence[float]) -> str:
    if len(values) < _FEWEST_FOR_DEVIATION:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def _run_row(run: Run) -> list[object]:
    epochs = " + ".join(str(count) for count in run["epochs"].values())
    scores = [f"{run['final'][metric]:.3f}" for metric in ("acc", "nmi", "ari")]
    place = [
        _TITLES[run["dataset"]],
        run["architecture"],
        run["variant"],
        _WORDS.get(run["loss"], "autoencoder"),
        run["seed"],
        epochs,
    ]
    return [*place, run["precision"], run["machine"]["threads"], f"{run['seconds'] / 60:.0f}", *scores]
