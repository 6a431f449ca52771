import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from recombine import environment
from recombine.environment import differences, fingerprint, package_version, write_environment

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.fixture(autouse=True)
def forgetful():
    """Forget what is kept for the life of a process."""
    environment._checkout.cache_clear()
    environment._processor.cache_clear()
    yield
    environment._checkout.cache_clear()
    environment._processor.cache_clear()


def recorded(device="cpu", seed=3, folder=Path()):
    """Return the environment as it comes back from a file."""
    return json.loads(json.dumps(environment.environment(device, seed, folder), allow_nan=False))


def git(folder, *arguments):
    """Run git in a folder, and return what it says."""
    command = [shutil.which("git"), *IDENTITY, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603  (our own command)
    return done.stdout


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit on a branch."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "work")
    (folder / "method.json").write_text("{}")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def test_the_environment_holds_what_the_machine_says():
    before = datetime.now(UTC).replace(microsecond=0)
    found = recorded("cpu (1 threads)", 7)
    assert (found["device"], found["seed"], found["command"]) == ("cpu (1 threads)", 7, sys.argv)
    assert before <= datetime.fromisoformat(found["started"]) <= datetime.now(UTC)
    assert found["started"].endswith("+00:00")
    assert (found["python"], found["platform"]) == (platform.python_version(), platform.platform())
    assert (found["threads"], found["interop_threads"]) == (torch.get_num_threads(), torch.get_num_interop_threads())
    assert found["processors"] == os.cpu_count() >= found["usable_processors"] >= 1
    assert found["working_directory"] == os.getcwd()
    assert found["memory_bytes"] == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found["flags"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["gpus"] == []
    assert found["fingerprint"] == fingerprint("cpu")


def test_every_package_has_its_version():
    found = recorded()["packages"]
    assert set(found) == set(environment.PACKAGES)
    for name in ("torch", "torchvision", "numpy", "scikit-learn", "scipy", "jsonschema", "threadpoolctl"):
        assert found[name] == version(name)
    assert package_version("no-such-package") is None


def test_libraries_have_threads_and_no_paths():
    found = recorded()["libraries"]
    assert {"blas", "openmp"} <= {library["user_api"] for library in found}
    for library in found:
        assert library["num_threads"] >= 1
        assert "filepath" not in library
    assert "site-packages" not in json.dumps(found)


def test_the_threads_are_those_of_the_moment():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert recorded()["threads"] == fingerprint("cpu")["threads"] == before + 1
    finally:
        torch.set_num_threads(before)


def test_no_variable_is_recorded_but_those_that_matter(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RECOMBINE_X"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("XRECOMBINE_Y", "hush")
    found = recorded()
    assert set(found["variables"]) >= {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RECOMBINE_X"}
    allowed = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"}
    assert all(name in allowed or name.startswith("RECOMBINE_") for name in found["variables"])
    assert "hush" not in json.dumps(found)


# --- git ----------------------------------------------------------------------------------------------------------


def test_the_repository_of_the_method_file_is_recorded(repository):
    inner = repository / "a" / "b"
    inner.mkdir(parents=True)
    assert recorded(folder=inner)["git"]["method"] == {
        "commit": git(repository, "rev-parse", "HEAD").strip(),
        "branch": "work",
        "is_dirty": False,
        "untracked_files": 0,
    }


def test_changes_and_new_files_are_told_apart(repository):
    (repository / "new").write_text("")
    assert state(repository) == (False, 1)
    (repository / "method.json").write_text("[]")
    assert state(repository) == (True, 1)
    git(repository, "add", ".")
    assert state(repository) == (True, 0)


def state(folder):
    """Return what is recorded of the changes in a repository."""
    environment._checkout.cache_clear()
    found = recorded(folder=folder)["git"]["method"]
    return found["is_dirty"], found["untracked_files"]


def test_a_repository_is_asked_once(repository):
    first = recorded(folder=repository)["git"]["method"]
    (repository / "method.json").write_text("[]")
    assert recorded(folder=repository)["git"]["method"] == first


def test_a_detached_or_empty_repository_has_no_branch_or_commit(repository, tmp_path):
    git(repository, "checkout", "--quiet", "--detach")
    found = recorded(folder=repository)["git"]["method"]
    assert (found["branch"], len(found["commit"])) == (None, 40)
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet", "--initial-branch", "main")
    found = recorded(folder=empty)["git"]["method"]
    assert (found["branch"], found["commit"]) == ("main", None)


def test_a_folder_outside_of_repositories_has_no_state(tmp_path):
    assert recorded(folder=tmp_path)["git"]["method"] is None
    assert recorded(folder=tmp_path / "absent")["git"]["method"] is None


def test_recombine_is_recorded_where_it_is_a_checkout(tmp_path, repository, monkeypatch):
    package = repository / "recombine"
    package.mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    found = recorded(folder=repository)["git"]
    assert found["recombine"]["branch"] == "work"
    assert found["method"] is None
    installed = repository / ".venv" / "lib" / "recombine"
    installed.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(installed / "environment.py"))
    found = recorded(folder=tmp_path)["git"]
    assert found == {"recombine": None, "method": None}


def test_variables_of_git_lead_nowhere_else(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert recorded(folder=repository)["git"]["method"]["branch"] == "work"


def test_without_git_there_is_no_state(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert recorded(folder=repository)["git"]["method"] is None


@pytest.mark.parametrize("script", ["exit 1", "sleep 5", "printf '\\377'"])
def test_a_git_that_fails_hangs_or_babbles_fails_no_run(script, repository, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(environment, "_LONGEST_WAIT", 0.2)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert recorded(folder=repository)["git"]["method"] is None


def test_a_broken_repository_has_no_state(tmp_path):
    (tmp_path / ".git").mkdir()
    assert recorded(folder=tmp_path)["git"]["method"] is None


# --- fingerprints -------------------------------------------------------------------------------------------------


def test_the_fingerprint_holds_what_bits_depend_on():
    found = fingerprint("cpu (2 threads)")
    assert found["device"] == "cpu"
    assert found["torch"] == torch.__version__
    assert found["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["scipy"] == version("scipy")
    assert found["BLAS"]
    assert all(len(library.split()) >= 2 for library in found["BLAS"])
    assert (found["CUDA"], found["cuDNN"]) == (None, None)
    assert json.loads(json.dumps(found)) == found == fingerprint("cpu")


def test_the_libraries_do_not_depend_on_what_was_imported():
    code = (
        "import sys; from recombine.environment import fingerprint; sys.stdout.write(str(fingerprint('cpu')['BLAS']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  (our own command)
    assert done.stdout == str(fingerprint("cpu")["BLAS"])


def test_the_same_fingerprint_differs_in_nothing():
    assert differences(fingerprint("cpu"), fingerprint("cpu")) == []


def test_differences_are_told_in_words():
    before = {"torch": "2.12.0", "threads": 1, "BLAS": ["openblas 1", "mkl 2"], "CUDA": None, "old": True, "same": 1}
    now = {"torch": "2.13.0", "threads": 2, "BLAS": [], "CUDA": "13.0", "new": "x", "same": 1}
    assert differences(before, now) == [
        "torch 2.12.0, now 2.13.0",
        "threads 1, now 2",
        "BLAS openblas 1 + mkl 2, now none",
        "CUDA none, now 13.0",
        "old True, now not recorded",
        "new not recorded, now x",
    ]


def test_a_processor_without_a_model_name_has_its_architecture(monkeypatch):
    monkeypatch.setattr(environment, "_read", lambda path: "processor : 0\n")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert fingerprint("cpu")["processor"] == platform.machine()


def test_the_model_name_of_the_processor_is_read(monkeypatch):
    monkeypatch.setattr(
        environment, "_read", lambda path: "processor\t: 0\nmodel name\t: Quick CPU 9\nmodel name\t: b\n"
    )
    assert fingerprint("cpu")["processor"] == "Quick CPU 9"


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build", "570.86.15"),
        ("", None),
    ],
)
def test_gpus_have_name_memory_and_versions(text, driver, monkeypatch):
    class Properties:
        name, total_memory = "Fast GPU", 2**30

    monkeypatch.setattr(environment, "_read", lambda path: text)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties)
    gpus = environment._gpus(torch.device("cuda:1"))
    assert [(gpu["name"], gpu["memory_bytes"], gpu["driver"]) for gpu in gpus] == [("Fast GPU", 2**30, driver)] * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_counts_by_its_kind():
    assert fingerprint("cuda_if_available") == fingerprint("cuda:0 (some words)")
    assert fingerprint("cuda")["device"] == torch.cuda.get_device_name(0)
    assert recorded("cuda")["gpus"][0]["name"] == torch.cuda.get_device_name(0)
    assert fingerprint("cuda")["CUDA"] == torch.version.cuda


# --- the file -----------------------------------------------------------------------------------------------------


def test_the_file_holds_what_is_returned(tmp_path):
    found = write_environment(tmp_path, "cpu (1 threads)", 5, tmp_path)
    assert json.loads((tmp_path / "environment.json").read_text()) == found
    assert (found["seed"], found["device"], found["git"]["method"]) == (5, "cpu (1 threads)", None)
