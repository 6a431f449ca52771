"""Write ``docs/results.md`` from the files under ``bench/results``.

python -m bench.write_results
"""

import statistics
from collections.abc import Sequence
from typing import Any

from bench import common, write_cnc, write_dcjc, write_sets

_HEAD = """# Results

This page is written by `python -m bench.write_results` from the files under `bench/results`, which the other scripts of
`bench/` write. Scores are ACC, NMI (normalised by the arithmetic mean of the entropies) and ARI in [0, 1], over all n
samples named, in evaluation mode, from the plain view. No training saw a label, but for that of Learning to Cluster,
which is supervised. Where scores were looked at to choose a setting, the section says so by the word *oracle*.
"""

#: ACC, NMI and ARI that are published for dec_cc_hybrid, by test split.
_PUBLISHED = {"MNIST-Test": (0.978, 0.944, 0.952), "FashionMNIST-Test": (0.583, 0.633, 0.470)}


def main() -> None:
    """Write the page."""
    sections = [_HEAD, *_quickstart(), *_recombination(), *_long_runs(), *_scan()]
    sections += [*write_dcjc.section(table), *write_cnc.section(table), *write_sets.section(table), *_real_data()]
    (common.ROOT / "docs" / "results.md").write_text("\n".join(sections), encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines) + "\n"


def _three(scores: dict[str, float]) -> list[str]:
    return [f"{scores[name]:.3f}" for name in ("acc", "nmi", "ari")]


def _quickstart() -> list[str]:
    content = common.read("quickstart.json")
    if content is None:
        return []
    runs, baselines = content["quickstart"], content["k_means"]
    rows: list[list[object]] = []
    for run, baseline in zip(runs, baselines, strict=True):
        digits = run["datasets"]["Digits"]
        cells = [*_three(digits["scores"]), f"{run['seconds']:.0f}", *_three(baseline["scores"])]
        rows.append([run["seed"], digits["num_samples"], *cells])
    ours = _mean_and_deviation([run["datasets"]["Digits"]["scores"] for run in runs])
    theirs = _mean_and_deviation([baseline["scores"] for baseline in baselines])
    rows.append(["mean ± standard deviation", "", *ours, "", *theirs])
    head = ["seed", "n", "ACC", "NMI", "ARI", "seconds", "k-means ACC", "k-means NMI", "k-means ARI"]
    return [
        "## Quickstart on digits\n",
        "`configurations/quickstart/digits.json` over seeds, beside k-means (k-means++, best of 20 restarts) on the "
        f"raw pixels of the same samples. {_machine(runs[0])} Seconds are those of training and scoring.\n",
        "*Oracle*: architecture, temperatures and views were chosen by ACC on seeds 0 to 4 of the same digits. Seeds 5 "
        "to 9 had no part in it.\n",
        table(head, rows),
    ]


def _recombination() -> list[str]:
    content = common.read("recombination.json")
    if content is None:
        return []
    rows: list[list[object]] = []
    for row in content:
        scores = [run["datasets"]["Digits"]["scores"] for run in row["runs"]]
        seeds = ", ".join(str(run["seed"]) for run in row["runs"])
        each = ", ".join(f"{entry['acc']:.3f}" for entry in scores)
        rows.append(
            [
                row["weight"],
                seeds,
                row["runs"][0]["datasets"]["Digits"]["num_samples"],
                each,
                *_mean_and_deviation(scores),
            ]
        )
    head = ["weight of the target distribution", "seeds", "n", "ACC by seed", "ACC", "NMI", "ARI"]
    return [
        "## The recombination of the README\n",
        "The quickstart with DEC's target distribution in place of `assignment_statistics` and `assignment_entropy`; "
        f"mean and standard deviation over the seeds. {_machine(content[0]['runs'][0])}\n",
        table(head, rows),
    ]


def _mean_and_deviation(scores: Sequence[dict[str, float]]) -> list[str]:
    cells = []
    for name in ("acc", "nmi", "ari"):
        values = [entry[name] for entry in scores]
        cells.append(f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}")
    return cells


def _machine(run: dict[str, Any]) -> str:
    machine, packages = run["machine"], run["packages"]
    return f"Device {machine['device']}, {machine['processors']} processors, torch {packages['torch']}."


def _long_runs() -> list[str]:
    runs = common.read("long_runs.json")
    if runs is None:
        return []
    rows: list[list[object]] = []
    for run in runs:
        iterations = ", ".join(f"{name} {count}" for name, count in run["iterations"].items())
        used = sorted({name for names in run["optimizers"].values() for name in names})
        for name, dataset in run["datasets"].items():
            minutes, threads = f"{run['seconds'] / 60:.0f}", run["machine"]["threads"]
            head = [run["method"], iterations, ", ".join(used), run["seed"], minutes, threads]
            rows.append([*head, name, dataset["num_samples"], *_three(dataset["scores"])])
    head = ["method", "iterations", "optimizer", "seed", "minutes", "threads", "dataset", "n", "ACC", "NMI", "ARI"]
    return [
        "## Long runs\n",
        "As many iterations and seeds as a machine of two cores without a GPU allows; trained on the train split, "
        "scored on both; the test split unseen by any training. Minutes are those of a shared machine.\n",
        "*Oracle*: where the target distribution starts was chosen by the scan below; what is drawn to it, and the "
        "rates, by looking at scores of seed 0 on the train split.\n",
        table(head, rows),
        "The test splits beside the published scores of dec_cc_hybrid, which are means of ten seeds (SGD, 50,000 + "
        "100,000 iterations). No interval is given below three seeds.\n",
        table(
            ["method", "iterations", "dataset", "seeds", "ACC", "NMI", "ARI", "published ACC", "NMI", "ARI"],
            _test_means(runs),
        ),
    ]


def _test_means(runs: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Return a row for each method and test split: the means over its runs, and what is published."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for run in runs:
        iterations = " + ".join(f"{count:,}" for count in run["iterations"].values())
        for name, dataset in run["datasets"].items():
            if name in _PUBLISHED:
                place = (run["method"], iterations, name)
                found.setdefault(place, []).append({"seed": run["seed"], **dataset["scores"]})
    rows: list[list[object]] = []
    for (method, iterations, name), each in found.items():
        means = [f"{statistics.mean(scores[metric] for scores in each):.3f}" for metric in ("acc", "nmi", "ari")]
        seeds = ", ".join(str(scores["seed"]) for scores in each)
        rows.append([method, iterations, name, seeds, *means, *(f"{value:.3f}" for value in _PUBLISHED[name])])
    return rows


def _scan() -> list[str]:
    rows_found = common.read("hybrid_scan.json")
    if rows_found is None:
        return []
    rows = []
    for row in rows_found:
        scores = row["datasets"]["MNIST-Test"]["scores"]
        marks = {key.rpartition(":")[2]: value["acc"] for key, value in row["history"].items()}
        course = ", ".join(f"{int(mark):,}: {acc:.3f}" for mark, acc in marks.items() if int(mark) % 1000 == 0)
        rows.append([row["weight"], row["start"], row["warm_up"], row["iterations"], *_three(scores), course])
    head = ["weight", "start", "warm-up", "iterations", "test ACC", "test NMI", "test ARI", "ACC on the train split"]
    return [
        "## Weight and start of the target distribution in dec_cc_hybrid (MNIST)\n",
        "Finetuning with Adam 0.001 after the same 6,000 iterations of pretraining (reconstruction, Adam 0.001), one "
        "seed; scored on the 10,000 samples of the test split. Up to its start a variant is the variant of weight 0, "
        "so that the course also shows what weight 0 reaches. *Oracle*, if the table is used to choose.\n",
        table(head, rows),
    ]


def _real_data() -> list[str]:
    found = common.read("real_data.json")
    if found is None:
        return []
    rows = []
    for row in found:
        scored = ", ".join(f"{name} {count}" for name, count in row["samples_scored"].items())
        cells = [row["configuration"], row["dataset"], row["iterations_per_phase"], row["exit_status"]]
        rows.append([*cells, scored, row["last_line"]])
    head = ["configuration", "dataset", "iterations a phase", "exit status", "samples scored", "last line of the log"]
    return [
        "## Every configuration on real data, shortened\n",
        "From the command line with `--set`, through every phase, to the final line. So few iterations say nothing of "
        "the methods; they say that everything runs.\n",
        table(head, rows),
    ]


if __name__ == "__main__":
    main()
