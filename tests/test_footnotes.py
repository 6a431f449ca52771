from recombine.aggregate import aggregate
from recombine.footnotes import counts, failures, first_line, legend, oracle_notes, warnings
from recombine.result_files import read_runs
from tests.result_folders import dataset, run, scored, write, write_all


def table(log_dir, scores=("last",), metrics=("acc",)):
    """Return the table of a folder."""
    return aggregate(read_runs([log_dir]), scores, metrics)


def test_runs_are_counted_once_whatever_they_ran_on(tmp_path):
    both = {"A": dataset(), "B": dataset()}
    write_all(tmp_path, [run(0, datasets=both), run(1, datasets=both), run(2, status="failed", error="x")])
    write(tmp_path, "older", run(0, datasets=both, generation=0))
    assert counts(table(tmp_path)) == (
        "3 attempted: 2 finished, 1 failed; 1 more folder does not count (an earlier generation or a copy)"
    )


def test_the_legend_says_what_the_shown_figures_are(tmp_path):
    write_all(tmp_path, [scored(0, 0.5), run(1, datasets={"Digits": dataset(scored_on="half of them")})])
    lines = legend(table(tmp_path, ("last", "chosen", "best"), ("nmi", "silhouette")))
    assert lines[1:] == [
        "Scored on: all samples, evaluation mode, plain view or half of them.",
        "last: the final clustering.",
        "chosen: the evaluation of each run that a score without labels chose.",
        "best: for each metric by itself, the highest value among the evaluations of each run; labels choose it, so it "
        "is oracle.",
        "nmi: mutual information over the arithmetic mean of the two entropies.",
        "Scores without labels are computed on: a sample of 2,000, output of encoder.",
        "none: no finished run has the score.",
    ]
    assert not any(line.startswith(("nmi", "Scores without", "none")) for line in legend(table(tmp_path)))


def test_reasons_stand_once_for_each_configuration_and_dataset(tmp_path):
    oracle = {"Digits": dataset(oracle=["one", "two"])}
    write_all(tmp_path, [run(0, datasets=oracle), run(1, datasets=oracle), scored(0, 0.5, method="km")])
    assert oracle_notes(table(tmp_path, ("last", "best"))) == ["oracle: dec on Digits: one; two"]


def test_each_failed_run_has_its_line(tmp_path):
    runs = [run(3, status="failed", error="\n  first\nsecond"), run(4, status="failed", error=None), run(5)]
    write_all(tmp_path, runs)
    assert failures(read_runs([tmp_path]).records) == [
        f"failed: {tmp_path / '2026-01-01_00-00-00_dec'} (seed 3): first",
        f"failed: {tmp_path / '2026-01-01_00-00-01_dec'} (seed 4): it left no error",
    ]
    assert first_line(" \n") == "it left no error"


def test_doubts_are_told(tmp_path):
    write_all(tmp_path, [scored(seed, 0.5) | {"identity": None} for seed in (0, 0, 1)])
    write(tmp_path, "torn", "[")
    found = warnings(table(tmp_path))
    assert found == [
        f"{tmp_path / 'torn' / 'result.json'}: it is not whole JSON (line 1: Expecting value); the run counts as "
        "attempted and has no number",
        "dec on Digits: more than one finished run has seed 0; they are not independent",
    ]
    (tmp_path / "clean").mkdir()
    assert warnings(table(write_all(tmp_path / "clean", [scored(0, 0.5)]))) == []
