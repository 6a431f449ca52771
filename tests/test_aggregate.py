import statistics

import pytest

from recombine.aggregate import Data, aggregate, compact, groups, repeated_seeds
from recombine.errors import UsageError
from recombine.result_files import read_runs
from tests.result_folders import dataset, run, scored, write, write_all


def table(log_dir, scores=("last",), metrics=("acc",)):
    """Return the table of a folder."""
    return aggregate(read_runs([log_dir]), scores, metrics)


def only_row(*arguments):
    """Return the row of a table that has no other."""
    (row,) = table(*arguments).rows
    return row


def test_mean_deviation_and_interval_are_those_of_the_finished_runs(tmp_path):
    values = {0: 0.91, 1: 0.87, 2: 0.93, 3: 0.9}
    failed = run(4, status="failed", error="x", datasets={"Digits": dataset(0.01)})
    stopped = run(5, status="interrupted", datasets={"Digits": dataset(0.02)})
    write_all(tmp_path, [*(scored(seed, acc) for seed, acc in values.items()), failed, stopped])
    write(tmp_path, "torn", "{", started=run(6))
    write(tmp_path, "started", started=run(7))
    row = only_row(tmp_path)
    cell, group = row.cells["acc"], row.group
    assert len(group.runs) == 8
    statuses = ("finished", "failed", "interrupted", "running", "unreadable")
    assert [group.count(status) for status in statuses] == [4, 1, 2, 0, 1]
    assert (cell.num, cell.mean) == (4, pytest.approx(statistics.mean(values.values())))
    assert cell.std == pytest.approx(statistics.stdev(values.values()))
    half = 3.182446305284263 * cell.std / 2
    assert cell.interval == pytest.approx((cell.mean - half, cell.mean + half))
    assert [(value.seed, value.value) for value in cell.values] == list(values.items())
    assert group.seeds == [0, 1, 2, 3]


def test_one_run_has_no_deviation_and_two_have_no_interval(tmp_path):
    write_all(tmp_path, [scored(0, 0.5)])
    cell = only_row(tmp_path).cells["acc"]
    assert (cell.num, cell.mean, cell.std, cell.interval) == (1, 0.5, None, None)
    write(tmp_path, "b", scored(1, 0.7))
    cell = only_row(tmp_path).cells["acc"]
    assert (cell.num, cell.std, cell.interval) == (2, pytest.approx(0.1 * 2**0.5), None)


def test_a_configuration_without_a_finished_run_has_its_row(tmp_path):
    write_all(tmp_path, [run(0, status="failed", error="x"), run(1, status="failed", error="y")])
    row = only_row(tmp_path)
    assert (row.group.count("failed"), row.group.data) == (2, Data())
    cell = row.cells["acc"]
    assert (cell.num, cell.mean, cell.std, cell.interval) == (0, None, None, None)


def test_runs_are_put_together_by_configuration_and_dataset(tmp_path):
    two = {"A": dataset(0.1), "B": dataset(0.2, samples_digest="22" * 32)}
    runs = [run(0, datasets=two), run(1, datasets=two), scored(0, 0.5, method="km", config="d")]
    write_all(tmp_path, [*runs, run(2, status="failed", error="x")])
    found = [
        (row.group.name.text, row.group.dataset, row.group.seeds, len(row.group.runs)) for row in table(tmp_path).rows
    ]
    assert found == [("dec", "A", [0, 1], 3), ("dec", "B", [0, 1], 3), ("km", "Digits", [0], 1)]


def test_a_failure_counts_on_the_datasets_that_it_did_not_reach(tmp_path):
    part = {"A": {"num_samples": 1797, "scores": {"acc": 0.3}}}
    both = {"A": dataset(), "B": dataset()}
    write_all(tmp_path, [run(0, datasets=both), run(1, status="failed", error="x", datasets=part)])
    assert [(group.dataset, len(group.runs), group.count("failed")) for group in groups(read_runs([tmp_path]))] == [
        ("A", 2, 1),
        ("B", 2, 1),
    ]


def test_different_data_under_one_name_is_never_put_together(tmp_path):
    changed = dataset(0.2, samples_digest="22" * 32)
    write_all(tmp_path, [scored(0, 0.5), run(1, datasets={"Digits": changed}), run(2, status="failed", error="x")])
    found = [(row.group.dataset, row.group.seeds, row.group.count("failed")) for row in table(tmp_path).rows]
    assert found == [
        ("Digits (data 22222222)", [1], 0),
        ("Digits (data 5a5a5a5a)", [0], 0),
        ("Digits (data unknown)", [], 1),
    ]


def test_other_labels_another_size_or_another_version_are_another_group(tmp_path):
    changes = [{"labels_digest": "33" * 32}, {"num_samples": 5}, {}]
    runs = [run(i, datasets={"Digits": dataset(**changed)}) for i, changed in enumerate(changes)]
    write_all(tmp_path, [*runs, scored(3, 0.5, results_version=2)])
    assert sorted(group.seeds for group in groups(read_runs([tmp_path]))) == [[0], [1], [2], [3]]


def test_the_three_scores_are_kept_apart(tmp_path):
    write_all(tmp_path, [scored(0, 0.5), scored(1, 0.7)])
    rows = table(tmp_path, ("last", "chosen", "best"), ("acc", "silhouette")).rows
    assert [(row.title, row.cells["acc"].mean, row.cells["silhouette"].mean) for row in rows] == [
        ("last", pytest.approx(0.6), pytest.approx(0.3)),
        ("chosen by silhouette", pytest.approx(0.59), pytest.approx(0.35)),
        ("best, oracle", pytest.approx(0.62), None),
    ]


def test_what_was_chosen_in_different_ways_is_never_put_together(tmp_path):
    by = {"by": "davies_bouldin", "value": 0.9, "scores": {"acc": 0.1}}
    write_all(tmp_path, [scored(0, 0.5), run(1, datasets={"Digits": dataset(chosen=by)})])
    rows = table(tmp_path, ("chosen",)).rows
    assert [(row.title, row.cells["acc"].mean) for row in rows] == [
        ("chosen by silhouette", pytest.approx(0.49)),
        ("chosen by davies_bouldin", pytest.approx(0.1)),
    ]


def test_where_nothing_was_chosen_nothing_is_shown(tmp_path):
    write_all(tmp_path, [run(0, datasets={"Digits": dataset(chosen=None, best=None)})])
    rows = table(tmp_path, ("chosen", "best")).rows
    assert [(row.title, row.cells["acc"].num) for row in rows] == [("chosen", 0), ("best, oracle", 0)]


def test_oracle_runs_mark_their_row(tmp_path):
    reasons = ["the strategy chooses by highest_acc", 'phase "p" may end by acc']
    oracle = run(0, datasets={"Digits": dataset(oracle=reasons)})
    write_all(tmp_path, [oracle])
    row = only_row(tmp_path)
    assert (row.title, row.oracle_reasons, row.num_oracle) == ("last, oracle", reasons, 1)
    write(tmp_path, "b", scored(1, 0.5))
    write(tmp_path, "c", run(2, status="failed", error="x"))
    rows = table(tmp_path, ("last", "chosen", "best")).rows
    assert [row.title for row in rows] == [
        "last, oracle in 1 of 2 runs",
        "chosen by silhouette, oracle in 1 of 2 runs",
        "best, oracle",
    ]


def test_unsupervised_runs_are_not_marked(tmp_path):
    write_all(tmp_path, [scored(0, 0.5)])
    row = only_row(tmp_path)
    assert (row.is_oracle, row.oracle_text, row.title, row.oracle_reasons) == (False, "", "last", [])


def test_datasets_without_labels_have_the_scores_that_need_none(tmp_path):
    unlabelled = dataset(scores=None, labels_digest=None, chosen=None, best=None)
    write_all(tmp_path, [run(seed, datasets={"Digits": unlabelled}) for seed in range(3)])
    row = only_row(tmp_path, ("last",), ("acc", "silhouette"))
    assert (row.cells["acc"].num, row.cells["silhouette"].num) == (0, 3)


def test_a_metric_of_the_runs_own_is_known(tmp_path):
    write_all(tmp_path, [run(0, datasets={"Digits": dataset(scores={"f1": 0.25})})])
    assert only_row(tmp_path, ("last",), ("f1",)).cells["f1"].mean == 0.25


def test_an_unknown_metric_is_a_mistake(tmp_path):
    write_all(tmp_path, [scored(0, 0.5)])
    with pytest.raises(UsageError) as caught:
        table(tmp_path, ("last",), ("acc", "silhoutte"))
    assert str(caught.value) == 'there is no metric "silhoutte". Did you mean "silhouette"?'


def test_a_metric_that_is_known_and_nowhere_is_no_mistake(tmp_path):
    write_all(tmp_path, [scored(0, 0.5)])
    assert only_row(tmp_path, ("last",), ("purity",)).cells["purity"].num == 0


def test_seeds_that_stand_twice_are_told(tmp_path):
    write_all(tmp_path, [scored(seed, 0.5) | {"identity": None} for seed in (0, 0, 1)])
    (group,) = groups(read_runs([tmp_path]))
    assert (group.seeds, repeated_seeds(group)) == ([0, 0, 1], [0])


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([0, 1, 2, 3], "0-3"),
        ([0, 1, 4, 6, 7], "0-1, 4, 6-7"),
        ([0, 0, 1], "0-1 (0 2 times)"),
    ],
)
def test_seeds_are_written_as_ranges(seeds, text):
    assert compact(seeds) == text


def test_unfinished_runs_count_on_the_data_that_they_began_with(tmp_path):
    changed = {"Digits": dataset(0.2, samples_digest="22" * 32)}
    write_all(tmp_path, [scored(0, 0.5), run(1, datasets=changed)])
    write(tmp_path, "x", started=run(2, datasets=changed))
    write(tmp_path, "y", "{", started=run(3))
    write(tmp_path, "z", run(4, status="failed", error="x"), started=run(4, datasets={"Digits": dataset()}))
    write(tmp_path, "zz", started=run(5, datasets={"Digits": dataset(samples_digest="33" * 32)}))
    found = [(group.dataset, [run.seed for run in group.runs]) for group in groups(read_runs([tmp_path]))]
    assert found == [
        ("Digits (data 22222222)", [1, 2]),
        ("Digits (data 33333333)", [5]),
        ("Digits (data 5a5a5a5a)", [0, 3, 4]),
    ]


def test_runs_that_all_failed_are_one_group_however_far_they_came(tmp_path):
    write(tmp_path, "a", run(0, status="failed", error="x"), started=run(0))
    write(tmp_path, "b", run(1, status="failed", error="x", datasets={"Digits": dataset()}), started=run(1))
    write(tmp_path, "c", started=run(2))
    (group,) = groups(read_runs([tmp_path]))
    assert (group.dataset, group.data.num_samples, len(group.runs), group.seeds) == ("Digits", 1797, 3, [])


def test_a_dataset_that_is_never_scored_has_no_row(tmp_path):
    both = {"Train": dataset(samples_digest="22" * 32), "Test": dataset()}
    write(tmp_path, "a", run(0, datasets={"Test": both["Test"]}), started=run(0, datasets=both))
    write(tmp_path, "b", run(1, status="failed", error="x"), started=run(1, datasets=both))
    (group,) = groups(read_runs([tmp_path]))
    assert (group.dataset, len(group.runs)) == ("Test", 2)


def test_runs_that_read_other_files_are_another_group(tmp_path):
    for seed, digest in enumerate(("ab", "cd")):
        content = scored(seed, 0.5, inputs={"saved/encoder.pth": digest * 32})
        write(tmp_path, str(seed), content, started=content)
    write(tmp_path, "2", scored(2, 0.5), started=run(2))
    names = [group.name.text for group in groups(read_runs([tmp_path]))]
    assert len(set(names)) == 3
    assert names[-1] == "dec (inputs none)"
