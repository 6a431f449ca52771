"""Where a run happens: versions, hardware, threads, the state of the code. Recorded, and told apart from another."""

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recombine.files import write_json
from recombine.plugin_packages import allowed

if TYPE_CHECKING:
    import torch

#: Packages whose versions are recorded with every run.
PACKAGES = (
    "recombine",
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "scipy",
    "pillow",
    "jsonschema",
    "threadpoolctl",
    "filelock",
)
#: Those of them that compute.
_COMPUTING = ("torchvision", "numpy", "scikit-learn", "scipy", "pillow")
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_OWN_VARIABLES = "RECOMBINE_"
_MODEL_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_DRIVER = re.compile(r"Kernel Module.*?\s(\d+\.[\d.]+)")
_LONGEST_WAIT = 10.0
_NOT_RECORDED = "not recorded"


def write_environment(
    folder: Path, device: str, seed: int | None = None, method_folder: Path | None = None
) -> dict[str, Any]:
    """Write ``environment.json`` into a run's folder, and return what stands in it; see :func:`environment`."""
    found = environment(device, seed, method_folder if method_folder is not None else Path.cwd())
    write_json(folder / "environment.json", found)
    return found


def environment(device: str, seed: int | None, folder: Path) -> dict[str, Any]:
    """Return what there is to know about this process and its machine, as plain JSON values.

    Args:
        device: The run's device: what torch calls it, perhaps with words after it (``cpu (2 threads)``).
        seed: The run's seed.
        folder: Where the method file lies.
    """
    import torch

    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "working_directory": str(Path.cwd()),
        "seed": seed,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "plugins": allowed(),
        "git": _git(folder),
        "device": device,
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "processors": os.cpu_count(),
        "usable_processors": usable_processors(),
        "processor": _processor(),
        "memory_bytes": _memory(),
        "libraries": _libraries(),
        "gpus": _gpus(_torch_device(device)),
        "flags": _flags(),
        "variables": _variables(),
        "fingerprint": fingerprint(device),
    }


def fingerprint(device: str) -> dict[str, Any]:
    """Return what the bits of a run's results depend on beside its configuration, data and seed.

    Args:
        device: The run's device, as for :func:`environment`. Of a GPU its kind counts, not its number.
    """
    import torch

    found, backends = _torch_device(device), _backends()
    on_gpu = found.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(found) if on_gpu else found.type,
        "processor": _processor(),
        "CPU capability": backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "torch": str(torch.__version__),
        **{name: package_version(name) for name in _COMPUTING},
        **allowed(),
        "BLAS": sorted({_in_words(library) for library in _libraries() if library["user_api"] == "blas"}),
        "CUDA": torch.version.cuda if on_gpu else None,
        "cuDNN": backends.cudnn.version() if on_gpu else None,
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how two fingerprints differ in words, for example ``torch 2.12.0, now 2.13.0``; empty if they agree."""
    keys = dict.fromkeys([*before, *now])
    pairs = [(key, before.get(key, _NOT_RECORDED), now.get(key, _NOT_RECORDED)) for key in keys]
    return [f"{key} {_text(then)}, now {_text(value)}" for key, then, value in pairs if then != value]


@functools.cache
def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _torch_device(words: str) -> "torch.device":
    from recombine.engines.single import find_device

    return find_device(words.split(" ")[0])


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _processor() -> str:
    """Return the model of the processor, or its architecture where the system does not tell."""
    named = _MODEL_NAME.search(_read("/proc/cpuinfo"))
    return named[1].strip() if named else platform.processor() or platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _memory() -> int | None:
    from recombine.memory import physical_memory

    size = physical_memory()
    return int(size) if size < sys.maxsize else None


def _libraries() -> list[dict[str, Any]]:
    """Return the BLAS and OpenMP libraries of this process with their threads, without their paths."""
    import scipy.linalg  # noqa: F401  (so that BLAS libraries do not depend on what was needed so far)
    from threadpoolctl import threadpool_info

    found = [{key: value for key, value in library.items() if key != "filepath"} for library in threadpool_info()]
    return sorted(found, key=_in_words)


def _in_words(library: Mapping[str, Any]) -> str:
    known = [library.get(key) for key in ("internal_api", "version", "architecture")]
    return " ".join(str(word) for word in known if word is not None)


def _gpus(device: "torch.device") -> list[dict[str, Any]]:
    """Return the GPUs that torch sees; none for a run on the CPU, which need not wake them."""
    import torch

    if device.type != "cuda":
        return []
    driver = _DRIVER.search(_read("/proc/driver/nvidia/version"))
    versions = {
        "driver": driver[1] if driver else None,
        "cuda": torch.version.cuda,
        "cudnn": _backends().cudnn.version(),
    }
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [{"name": gpu.name, "memory_bytes": gpu.total_memory, **versions} for gpu in found]


def _flags() -> dict[str, Any]:
    """Return the switches of torch on which speed and bits depend."""
    import torch

    backends = _backends()
    return {
        "cpu_capability": backends.cpu.get_cpu_capability(),
        "mkl": backends.mkl.is_available(),
        "onednn": backends.mkldnn.is_available(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": backends.cudnn.deterministic,
        "cudnn_benchmark": backends.cudnn.benchmark,
    }


def _backends() -> Any:
    """Return torch's own settings, which it does not type."""
    import torch

    return torch.backends


def _variables() -> dict[str, str]:
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name in _VARIABLES or name.startswith(_OWN_VARIABLES)
    }


def _git(folder: Path) -> dict[str, Any]:
    """Return the state of recombine's own checkout, and of the repository of the method file if that is another."""
    package = Path(__file__).resolve().parent.parent
    # Installed below somebody's repository is not checked out.
    own = package if (package / ".git").exists() else None
    absolute = folder.resolve()
    around = next((place for place in (absolute, *absolute.parents) if (place / ".git").exists()), None)
    return {
        "recombine": _checkout(own) if own is not None else None,
        "method": _checkout(around) if around is not None and around != own else None,
    }


@functools.cache
def _checkout(root: Path) -> dict[str, Any] | None:
    """Return commit, branch and changes of a git repository; None where git does not tell, for whatever reason."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"]
    # Variables that a hook of git sets would lead it to another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  (a fixed command, without a shell)
            command, cwd=root, env=variables, capture_output=True, encoding="utf-8", timeout=_LONGEST_WAIT, check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return _status(done.stdout.splitlines()) if done.returncode == 0 else None


def _status(lines: list[str]) -> dict[str, Any]:
    """Return what the lines of ``git status --porcelain=v2 --branch`` say."""
    branch = {key: value for key, _, value in (line.removeprefix("# ").partition(" ") for line in lines)}
    untracked = sum(line.startswith("?") for line in lines)
    commit, name = branch.get("branch.oid"), branch.get("branch.head")
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if name == "(detached)" else name,
        "is_dirty": len(lines) > sum(line.startswith("#") for line in lines) + untracked,
        "untracked_files": untracked,
    }
