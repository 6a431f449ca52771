"""Show where the time of an iteration of dec_cc_hybrid goes.

    python -m bench.profile_step [--iterations 20] [--samples 10000] [--device cpu] [--threads N]

torch's profiler counts the time of each operation on the CPU without that of the operations it calls, or, with a GPU,
the time on the GPU. The views are profiled by themselves on the same batches, and what they take is taken out of the
groups of the whole iteration. Other operations are element by element or reductions, for the most part. What is left
of the wall time of the profiled iterations is Python, autograd's own work and the profiler; the same iterations are
timed without the profiler as well. Made images stand in for MNIST's. Writes ``bench/results/profile.json``, or
``profile_<device>.json``; ``bench/write_speed.py`` makes the page.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from bench import common, machine
from bench.floor import Views, always_drawn
from bench.stepping import Loop

_WARM_UP, _TOP = 5, 15
_PHASES = ("pretraining", "finetuning")
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm", "aten::_addmm_activation")
_OPTIMIZER = ("Optimizer.", "aten::_fused_", "aten::_foreach_")
_OVERHEAD = "Python, autograd and the profiler"
_ON_GPU = {ProfilerActivity.CPU, ProfilerActivity.CUDA}


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__)
    parser.add_argument("--iterations", type=int, default=20, help="iterations that are profiled")
    parser.add_argument("--samples", type=int, default=10_000, help="made images")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    images = machine.made_images(arguments.samples)
    loops = {phase: Loop(always_drawn(), images, phase, arguments.device) for phase in _PHASES}
    phases = {name: _profiled(loop, arguments.iterations, device) for name, loop in loops.items()}
    described = {"machine": machine.machine(device), "iterations": arguments.iterations, "samples": arguments.samples}
    common.write(
        "profile.json" if device.type == "cpu" else f"profile_{device.type}.json", described | {"phases": phases}
    )


def _profiled(loop: Loop, iterations: int, device: torch.device) -> dict[str, Any]:
    """Return seconds of an iteration by group of operations, and the operations that take most."""
    views = Views(loop)
    for call in (loop.step, views):
        _repeat(call, _WARM_UP, device)
    plain = _repeat(loop.step, iterations, device) / iterations
    whole, wall = _operations(loop.step, iterations, device)
    of_views = _operations(views, iterations, device)[0] if views.names else {}
    groups: dict[str, float] = defaultdict(float, {"views": sum(of_views.values())})
    for name, seconds in whole.items():
        groups[_group(name)] += seconds - of_views.get(name, 0.0)
    groups[_OVERHEAD] += wall - sum(whole.values())
    return {
        "seconds": plain,
        "seconds_under_profiler": wall,
        "groups": _largest(groups, len(groups)),
        "operations": _largest(whole, _TOP),
    }


def _operations(call: Callable[[], None], iterations: int, device: torch.device) -> tuple[dict[str, float], float]:
    """Return seconds by operation, and of everything, both of one call."""
    on_gpu = device.type == "cuda"
    with profile(activities=_ON_GPU if on_gpu else {ProfilerActivity.CPU}) as profiler:
        wall = _repeat(call, iterations, device)
    found: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        found[event.key] += own / 1e6 / iterations
    return found, wall / iterations


def _largest(seconds: Mapping[str, float], num: int) -> dict[str, float]:
    return dict(sorted(seconds.items(), key=lambda item: -item[1])[:num])


def _repeat(call: Callable[[], None], times: int, device: torch.device) -> float:
    """Return the seconds of a number of calls."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _group(operation: str) -> str:
    if operation in _PRODUCTS or "gemm" in operation:
        return "matrix products"
    if operation.startswith(_OPTIMIZER):
        return "optimizer"
    if operation.startswith("autograd::") or operation.endswith("Backward0"):
        return _OVERHEAD
    return "other operations"


if __name__ == "__main__":
    main()
