import numpy as np
import pytest
from scipy import stats

from recombine.comparison import compare, find_side
from recombine.comparison_text import describe, verdict_text
from recombine.errors import UsageError
from recombine.intervals import pairs_needed
from tests.result_folders import dataset, run, scored, write, write_all

LR = "/phases/1/optimizers/0/lr"
ACCS = [0.91, 0.87, 0.93, 0.9, 0.92, 0.95, 0.89]
LOWER = [0.02, 0.01, 0.03, 0.02, 0.025, 0.015, 0.02]


def runs(accs, config="a", **changes):
    """Return finished runs of one configuration, the seeds from 0."""
    overrides = [f"{LR}={config}"]
    return [scored(seed, acc, config=config, overrides=overrides, **changes) for seed, acc in enumerate(accs)]


@pytest.fixture
def log_dir(tmp_path):
    """Return a folder with two configurations of one method, of which the first is better by ``LOWER``."""
    others = runs([acc - lower for acc, lower in zip(ACCS, LOWER, strict=True)], "b")
    return write_all(tmp_path / "logs", [*runs(ACCS), *others])


def compared(log_dir, metrics=("acc",), score="last", dataset=None, words=("dec lr=a", "dec lr=b")):
    """Compare two configurations of a folder."""
    return compare((find_side(words[0], log_dir), find_side(words[1], log_dir)), metrics, score, dataset)


def refusal(*arguments, **options):
    """Return why a comparison is refused."""
    with pytest.raises(UsageError) as caught:
        compared(*arguments, **options)
    return str(caught.value)


def test_pairs_are_those_of_the_seeds(log_dir):
    (found,) = compared(log_dir)
    expected = stats.ttest_1samp(LOWER, 0)
    assert (found.seeds, found.unpaired) == (tuple(range(7)), ((), ()))
    assert found.paired.difference == pytest.approx(np.mean(LOWER))
    assert found.paired.p_t == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.verdict, found.num_tests) == ("real", 1)


def test_order_of_the_two_turns_the_sign(log_dir):
    (found,) = compared(log_dir, words=("dec lr=b", "dec lr=a"))
    assert found.paired.difference == pytest.approx(-np.mean(LOWER))
    assert verdict_text(found) == "real: B is higher by 0.0200, and the interval excludes 0"


def test_seeds_without_a_partner_are_left_out_and_listed(log_dir):
    write(log_dir, "x", scored(7, 0.1, config="a", overrides=[f"{LR}=a"]))
    write(log_dir, "y", run(8, config="b", status="failed", error="x", overrides=[f"{LR}=b"]))
    write(log_dir, "z", scored(9, 0.1, config="b", overrides=[f"{LR}=b"]))
    (found,) = compared(log_dir)
    assert (found.paired.num, found.unpaired) == (7, ((7,), (9,)))
    assert "  seeds without a partner: of A 7, of B 9\n" in describe([found])


def test_the_whole_text(log_dir):
    assert describe(compared(log_dir)) == (
        f"A: dec lr=a (aaaaaaaa) in {log_dir}\n"
        f"B: dec lr=b (bbbbbbbb) in {log_dir}\n"
        "Digits (1797 samples, data 5a5a5a5a)\n"
        "  score of A: last\n"
        "  score of B: last\n"
        "acc: 7 pairs, seeds 0-6\n"
        "  mean of A 0.9100, of B 0.8900; A - B +0.0200, 95 % t-interval [+0.0140, +0.0260]\n"
        "  paired t-test p = 0.0002; signed-rank test p = 0.0156; effect size d_z +3.10\n"
        "  real: A is higher by 0.0200, and the interval excludes 0\n"
    )


def test_several_metrics_are_corrected_for_their_number(tmp_path):
    accs = np.random.default_rng(0).normal(0, 0.01, (2, 7))
    ours = [run(s, config="a", datasets={"Digits": dataset(0.9 + a, 0.8 + b)}) for s, (a, b) in enumerate(accs.T)]
    theirs = [run(s, config="b", datasets={"Digits": dataset(0.89, 0.795)}) for s in range(7)]
    found = compared(write_all(tmp_path, [*ours, *theirs]), ("acc", "nmi"), words=("aaaa", "bbbb"))
    p_values = [stats.ttest_1samp(accs[0] + 0.01, 0).pvalue, stats.ttest_1samp(accs[1] + 0.005, 0).pvalue]
    assert [one.paired.p_t for one in found] == pytest.approx(p_values, rel=1e-6)
    low, high = sorted(p_values)
    holm = {low: 2 * low, high: max(2 * low, high)}
    assert [one.p_holm for one in found] == pytest.approx([holm[p] for p in p_values], rel=1e-6)
    assert "by Holm for 2 tests)" in describe(found)


def test_among_several_tests_an_interval_alone_is_not_enough(tmp_path):
    """Of two metrics, the first differs with p = 0.04 and the second not at all."""
    shifts = np.array([-0.2, 0.2, 0.3, 1.2, 1.9, 0.6, 2.2]) / 100
    noise = np.array([1.0, -1.0, 1.0, -1.0, 0.5, -0.5, 0.1]) / 100
    pairs = enumerate(zip(0.9 + shifts, 0.8 + noise, strict=True))
    ours = [run(seed, config="a", datasets={"Digits": dataset(*scores)}) for seed, scores in pairs]
    theirs = [run(s, config="b", datasets={"Digits": dataset(0.9, 0.8)}) for s in range(7)]
    write_all(tmp_path, [*ours, *theirs])
    p_value = stats.ttest_1samp(shifts, 0).pvalue
    assert p_value < 0.05 < 2 * p_value
    assert compared(tmp_path, words=("aaaa", "bbbb"))[0].verdict == "real"
    both = compared(tmp_path, ("acc", "nmi"), words=("aaaa", "bbbb"))[0]
    assert (both.excludes_zero, both.verdict) == (True, "not shown")
    assert verdict_text(both) == ("not shown: the interval excludes 0, but among 2 tests at once that may be chance")


def test_what_is_not_shown_says_how_many_pairs_it_would_take(tmp_path):
    shifts = [0.05, -0.03, 0.02, -0.02, 0.04, -0.01]
    write_all(tmp_path, [*runs([0.8 + shift for shift in shifts]), *runs([0.8] * 6, "b")])
    (found,) = compared(tmp_path)
    effect = np.mean(shifts) / np.std(shifts, ddof=1)
    assert found.paired.effect == pytest.approx(effect)
    num = found.pairs_needed
    assert num == pairs_needed(effect)
    assert 6 < num < 1000
    assert verdict_text(found) == (
        f"not shown: the interval contains 0; about {num} pairs would be needed to show a difference like this with a "
        "chance of 80 %"
    )


def test_tiny_and_absent_differences_say_so(tmp_path):
    one, other = [0.5, 0.7, 0.5, 0.7], [0.7, 0.5, 0.7, 0.5]
    write_all(tmp_path / "zero", [*runs(one), *runs(other, "b")])
    assert verdict_text(*compared(tmp_path / "zero")) == "not shown: the interval contains 0; the means are equal"
    write_all(tmp_path / "tiny", [*runs([acc + 1e-5 for acc in one]), *runs(other, "b")])
    assert verdict_text(*compared(tmp_path / "tiny")) == (
        "not shown: the interval contains 0; more than 10,000 pairs would be needed to show a difference like this "
        "with a chance of 80 %"
    )


def test_constant_differences_need_no_division(tmp_path):
    write_all(tmp_path / "same", [*runs(ACCS), *runs(ACCS, "b")])
    (found,) = compared(tmp_path / "same")
    assert found.verdict == "not shown"
    assert verdict_text(found) == "not shown: the two values of every pair are equal"
    assert "p = " not in describe([found])
    write_all(tmp_path / "shifted", [*runs([acc + 0.05 for acc in ACCS]), *runs(ACCS, "b")])
    (found,) = compared(tmp_path / "shifted")
    assert verdict_text(found) == (
        "real: A is higher by 0.0500 in every pair; as the difference never varies, there is no test"
    )
    assert "signed-rank test p = 0.0156" in describe([found])


def test_two_pairs_are_too_few(tmp_path):
    write_all(tmp_path, [*runs([0.9, 0.8]), *runs([0.1, 0.2, 0.3], "b")])
    (found,) = compared(tmp_path)
    assert found.verdict == "too few pairs"
    text = describe([found])
    assert "  mean of A 0.8500, of B 0.1500; A - B +0.7000\n  too few pairs: 2, and at least 3 are needed\n" in text


def test_oracle_marks_are_carried_along(tmp_path):
    marked = [run(s, config="a", datasets={"Digits": dataset(0.9, oracle=["why"])}) for s in range(3)]
    write_all(tmp_path, [*marked, *runs([0.8, 0.7, 0.9], "b")])
    words = ("aaaa", "bbbb")
    text = describe(compared(tmp_path, words=words))
    assert "  score of A: last, oracle (why)\n  score of B: last\n" in text
    text = describe(compared(tmp_path, score="chosen", words=words))
    assert "  score of A: chosen by silhouette, oracle (why)\n  score of B: chosen by silhouette\n" in text
    text = describe(compared(tmp_path, score="best", words=words))
    assert "  score of A: best, oracle (why)\n  score of B: best, oracle\n" in text


def test_all_common_datasets_are_compared_unless_one_is_named(tmp_path):
    both = {"X": dataset(0.5), "Y": dataset(0.6, samples_digest="77" * 32)}
    write_all(tmp_path, [run(s, config=c, datasets=both) for s in range(3) for c in "ab"])
    words = ("aaaa", "bbbb")
    found = compared(tmp_path, words=words)
    assert [one.rows[0].group.data.name for one in found] == ["X", "Y"]
    assert describe(found).count("A: dec") == 1
    assert [line for line in describe(found).splitlines() if "samples" in line] == [
        "X (1797 samples, data 5a5a5a5a)",
        "Y (1797 samples, data 77777777)",
    ]
    assert [one.rows[0].group.data.name for one in compared(tmp_path, dataset="Y", words=words)] == ["Y"]
    assert refusal(tmp_path, dataset="Z", words=words) == (
        '"aaaa" and "bbbb" have not both the dataset "Z": the one ran on "X", "Y", the other on "X", "Y"'
    )


def test_runs_are_never_paired_across_different_data(tmp_path):
    changed = [run(s, config="b", datasets={"Digits": dataset(samples_digest="77" * 32)}) for s in range(3)]
    write_all(tmp_path, [*runs([0.5] * 3), *changed])
    assert refusal(tmp_path, words=("aaaa", "bbbb")) == (
        'runs are paired on the same data alone, and of "Digits" "aaaa" saw samples 5a5a5a5a with labels 1b1b1b1b, '
        '"bbbb" saw samples 77777777 with labels 1b1b1b1b'
    )
    relabelled = [run(s, config="e", datasets={"Digits": dataset(labels_digest=None)}) for s in range(3)]
    write_all(tmp_path / "more", relabelled)
    assert refusal(tmp_path, words=("aaaa", str(tmp_path / "more"))).endswith("5a5a5a5a with labels of no kind")


def test_runs_without_a_digest_are_not_paired(tmp_path):
    old = [run(s, config=c, datasets={"Digits": dataset(samples_digest=None)}) for s in range(3) for c in "ab"]
    assert refusal(write_all(tmp_path, old), words=("aaaa", "bbbb")) == (
        'runs are paired on the same data alone, and of "Digits" "aaaa" saw samples of which its runs tell no digest, '
        '"bbbb" saw samples of which its runs tell no digest'
    )


def test_two_without_anything_in_common_are_told(tmp_path):
    elsewhere = [run(0, config="b", datasets={"MNIST": dataset()})]
    failed = [run(0, config="f", status="failed", error="x")]
    write_all(tmp_path, [*runs([0.5, 0.6]), *elsewhere, *failed])
    assert refusal(tmp_path, words=("aaaa", "bbbb")) == (
        '"aaaa" and "bbbb" have no dataset in common: the one ran on "Digits", the other on "MNIST"'
    )
    assert refusal(tmp_path, words=("aaaa", "ffff")).endswith(
        'the one ran on "Digits", the other on no dataset that it finished'
    )
    write(tmp_path, "late", scored(5, 0.5, config="e"))
    assert refusal(tmp_path, words=("aaaa", "eeee")) == (
        'no seed has a value of acc (last) on "Digits" in both: there are 0-1 of dec lr=a and 5 of dec (eeeeeeee)'
    )
    assert refusal(tmp_path, ("purity",), words=("aaaa", "eeee")).endswith(
        "there are none of dec lr=a and none of dec (eeeeeeee)"
    )
    assert refusal(tmp_path, ("ac",), words=("aaaa", "eeee")) == 'there is no metric "ac". Did you mean "acc"?'


def test_the_same_runs_are_not_compared_with_themselves(log_dir):
    assert refusal(log_dir, words=("aaaa", "dec lr=a")) == '"aaaa" and "dec lr=a" name the same runs'


def test_seeds_that_stand_twice_have_no_partner(tmp_path):
    twice = [content | {"identity": None} for content in [*runs([0.5]), *runs([0.6])]]
    write_all(tmp_path, [*twice, *runs([0.5], "b")])
    assert refusal(tmp_path) == (
        "dec lr=a has more than one finished run of seed 0 on Digits: which of them belongs to a pair is not known"
    )


def test_different_ways_to_choose_are_not_mixed(tmp_path):
    by = {"by": "davies_bouldin", "value": 0.9, "scores": {"acc": 0.1}}
    mixed = [run(5, config="a", overrides=[f"{LR}=a"], datasets={"Digits": dataset(chosen=by)})]
    write_all(tmp_path, [*runs([0.5]), *mixed, *runs([0.5], "b")])
    assert refusal(tmp_path, score="chosen") == (
        "the evaluations of dec lr=a were chosen by silhouette or davies_bouldin; compare one of them"
    )


# --- who is meant -------------------------------------------------------------------------------------------------


def test_a_configuration_is_found_by_name_hash_run_and_folder(log_dir, tmp_path):
    expected = {folder.name for folder in log_dir.iterdir() if "_00-00-0" in folder.name} - {"2026-01-01_00-00-07_dec"}
    for word in ("dec lr=a", "aaaa", "a" * 64, str(log_dir / "2026-01-01_00-00-03_dec")):
        side = find_side(word, log_dir)
        assert {run.folder.name for group in side.groups for run in group.runs} >= {"2026-01-01_00-00-00_dec"}
        assert {group.name.text for group in side.groups} == {"dec lr=a"}
        assert len(expected) >= len(side.groups[0].runs) == 7
    alone = write_all(tmp_path / "alone", runs([0.5, 0.6]))
    assert find_side(str(alone), tmp_path / "nowhere").groups[0].seeds == [0, 1]


def test_a_run_is_found_from_within_its_folder(log_dir, monkeypatch):
    monkeypatch.chdir(log_dir / "2026-01-01_00-00-03_dec")
    assert [group.name.text for group in find_side(".", log_dir).groups] == ["dec lr=a"]


def test_a_folder_of_two_configurations_names_none(log_dir):
    with pytest.raises(UsageError) as caught:
        find_side(str(log_dir), log_dir)
    assert str(caught.value) == (
        f'"{log_dir}" holds 2 configurations: "dec lr=a", "dec lr=b". Name one of them, and their folder with --log-dir'
    )


def test_an_unknown_word_is_told_with_what_is_near(log_dir):
    for word, remedy in {
        "dec lr=aa": 'Did you mean "dec lr=a"?',
        "aaa": 'Known here: "dec lr=a", "dec lr=b".',
        "cafe": 'Known here: "dec lr=a", "dec lr=b".',
    }.items():
        with pytest.raises(UsageError) as caught:
            find_side(word, log_dir)
        assert str(caught.value) == f'"{word}" is no configuration in {log_dir}, and no folder of runs. {remedy}'


def test_unreadable_runs_of_a_side_are_known(log_dir):
    write(log_dir, "torn", "{", started=run(9, config="a", overrides=[f"{LR}=a"]))
    assert [run.folder.name for run in find_side("aaaa", log_dir).unreadable] == ["torn"]
    assert find_side("bbbb", log_dir).unreadable == []
