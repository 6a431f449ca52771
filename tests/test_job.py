import hashlib
from dataclasses import replace

from recombine.batch import BatchOptions, Report, check_jobs
from recombine.identity import RESULTS_VERSION, Identity, config_hash
from recombine.job import Job, file_digest
from recombine.logs import LogOptions
from recombine.parameter_files import save_tensors
from tests.methods import small, written
from tests.runs import made, method, train
from tests.stops import job_of


def test_the_title_is_the_file_with_the_changes(tmp_path):
    job = job_of(method(), tmp_path)
    assert job.title == "<dict>"
    assert replace(job, source="m.json", overrides=("/a=1", "/b=2")).title == "m.json /a=1 /b=2"


def test_a_run_is_its_configuration_data_files_and_seed(tmp_path):
    job = job_of(method(seed=3), tmp_path, inputs={"e.pth": "x"})
    data = {"made": {"samples": made().digest, "labels": made().labels_digest}}
    assert job.data == data
    assert job.identity == Identity(config_hash(job.config.resolved), data, {"e.pth": "x"}, 3, RESULTS_VERSION)
    described = job.description
    assert (described.method, described.source, described.overrides) == ("tiny", "<dict>", ())
    assert described.folder.is_absolute()
    assert described.identity == job.identity


def test_another_seed_is_another_run_of_the_same_configuration(tmp_path):
    job = job_of(method(), tmp_path)
    other = job.with_seed(4)
    assert (other.config.seed, other.config.resolved["seed"]) == (4, 4)
    assert (job.config.seed, job.config.resolved["seed"]) == (0, 0)
    assert other.identity == replace(job.identity, seed=4)
    assert other.identity == job_of(method(seed=4), tmp_path).identity
    assert other.samples is job.samples
    assert isinstance(other, Job)


def test_what_is_only_called_otherwise_is_the_same_run(tmp_path):
    job = job_of(method(), tmp_path)
    assert replace(job, source="other.json", overrides=("/a=1",)).identity == job.identity


def test_files_that_a_run_reads_are_a_part_of_it(tmp_path):
    assert file_digest(written(tmp_path, "text", "x")) == hashlib.sha256(b"text").hexdigest()
    loading = [{"mapping_name": "encoder", "path_to_file": "e.pth"}]
    saving = {"saving_interval": 1, "path_to_file_or_dir": "e.pth", "keep_old_files": False, "mapping_name": "encoder"}
    options, report = BatchOptions(LogOptions(tmp_path / "logs")), Report(print, print, print)
    identities = []
    for seed in (0, 1):
        saved = train(small({"/phases/0/save_mapping_parameters": [], "/seed": seed}), samples={"Digits": _digits()})
        _save(saved, tmp_path / "e.pth")
        (job,) = check_jobs(
            [written(tmp_path, small({"/phases/0/load_mapping_parameters": loading}))], [()], options, report
        )
        assert job.inputs == {"e.pth": file_digest(tmp_path / "e.pth")}
        identities.append(job.identity.digest())
    assert len(set(identities)) == 2
    second = {**small()["phases"][0], "name": "second", "order": 1, "load_mapping_parameters": loading}
    own = small({"/phases/0/save_mapping_parameters": [saving], "/phases/1": second})
    (job,) = check_jobs([written(tmp_path, own)], [()], options, report)
    assert job.inputs == {}  # it writes the file itself


def _digits():
    return made(60, 0, (1, 8, 8))


def _save(trained, path):
    save_tensors(trained.method.mappings["encoder"].state_dict(), path)
