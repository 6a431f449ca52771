"""Learning to Cluster (Meier et al. 2018) from JSON alone: what is shipped for each dataset, on small made ones."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import recombine
from recombine.build import build_data, build_method, build_objectives, load_samples
from recombine.clock import Clock
from recombine.datasets.base import Samples
from recombine.load import load_file
from recombine.overrides import Override
from recombine.set_draws import class_parts
from recombine.step import CLASSES, PLAIN_VIEW, Step, StepContext
from recombine.torchvision_import import torchvision
from recombine.view import View
from tests.datasets.layouts import (
    write_cars,
    write_cifar,
    write_flowers,
    write_folders,
    write_mnist_like,
    write_omniglot,
    write_speech,
    write_sun397,
    write_uneven_folders,
)

FOLDER = Path(__file__).resolve().parent.parent / "configurations" / "learning_to_cluster"
OF_POINTS = {"points", "points_attention", "points_small_attention", "points_small_lstm"}
SMALL_ONES = {"digits", "mnist_small", "fashion_mnist_small"}
CLASSES_MADE, SIDE = 15, 32
EMBEDDING, SET_NETWORK = "/mappings/[embedding]", "/mappings/[set_network]"


@dataclass(frozen=True)
class Published:
    """What is published on a dataset: the sizes of its objects and of the network, and how many classes it has."""

    write: Any
    shape: tuple[int, int, int]
    blocks: tuple[int, ...]
    batch: int
    least: int
    classes: tuple[int, ...]


ITS_FOLDERS = {
    "cub_200": "{:03d}.Bird/Bird_{}.jpg",
    "face_scrub": "Person {}/{}_face.jpeg",
    "coil_100": "obj{0}/obj{0}__{1}.png",
    "devanagari": "character_{}/{}.png",
    "tiny_image_net": "n{:08d}/images/{}.JPEG",
}
LARGE, SMALL, TEN = (32, 64, 128), (128, 256), (6, 0, 4)
PUBLISHED = {
    "timit": Published(write_speech, (1, 128, 128), LARGE, 25, 2, (430, 100, 100)),
    "cub_200": Published(write_uneven_folders, (3, 128, 128), LARGE, 25, 2, (160, 20, 20)),
    "face_scrub": Published(write_uneven_folders, (3, 128, 128), LARGE, 25, 2, (424, 53, 53)),
    "tiny_image_net": Published(write_folders, (3, 64, 64), SMALL, 25, 1, (160, 20, 20)),
    "cars_196": Published(write_cars, (3, 128, 128), LARGE, 25, 2, (157, 19, 20)),
    "cifar_100": Published(write_cifar, (3, 32, 32), SMALL, 35, 2, (80, 10, 10)),
    "sun_397": Published(write_sun397, (3, 128, 128), LARGE, 25, 2, (318, 39, 40)),
    "coil_100": Published(write_folders, (3, 128, 128), LARGE, 25, 2, (80, 10, 10)),
    "devanagari": Published(partial(write_folders, channels=1), (1, 32, 32), (64, 128), 45, 2, (36, 5, 5)),
    "flowers_102": Published(write_flowers, (3, 48, 48), SMALL, 35, 2, (82, 10, 10)),
    "omniglot": Published(write_omniglot, (1, 32, 32), (64, 128), 45, 2, (1298, 163, 162)),
    "mnist": Published(partial(write_mnist_like, name="MNIST"), (1, 28, 28), (64, 128), 45, 1, TEN),
    "fashion_mnist": Published(partial(write_mnist_like, name="FashionMNIST"), (1, 28, 28), (64, 128), 45, 1, TEN),
    "cifar_10": Published(partial(write_cifar, classes=10), (3, 32, 32), SMALL, 35, 1, TEN),
}


@pytest.fixture(autouse=True)
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files have other checksums than those that are given out."""
    for module in ("cifar", "flowers102", "omniglot"):
        monkeypatch.setattr(
            getattr(torchvision().datasets, module), "check_integrity", lambda path, *_: Path(path).exists()
        )


def _write(name: str, folder: Path, dataset: int = 0) -> None:
    """Write a small dataset in the layout that a configuration asks for, below ``folder``."""
    write, method = PUBLISHED[name].write, json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    root = folder / Path(method["datasets"][dataset]["root"]).name
    if isinstance(write, partial) and "channels" not in write.keywords:
        write(root)
    elif name in ITS_FOLDERS:
        write(root, CLASSES_MADE, name=ITS_FOLDERS[name])
    else:
        write(root, CLASSES_MADE)


def _shrunk(name: str) -> dict[str, Any]:
    """Return what makes a configuration run through in seconds; of each kind of thing in it something is left."""
    method = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    dataset = "/datasets/0"
    changes: dict[str, Any] = {
        f"{SET_NETWORK}/layers/0/num_blocks": 1,
        "/phases/0/exit_criteria/iterations": 2,
        "/phases/0/performance_evaluation_interval": 2,
        "/phases/0/validation/interval": 2,
        "/phases/0/validation/num_sets": 2,
        "/phases/0/design_patterns/0/loss_report_interval": 1,
        "/phases/0/design_patterns/1/loss_report_interval": 1,
        f"{dataset}/batch_size": 2,
        f"{dataset}/num_workers": 0,
        f"{dataset}/sets/num_objects": 10,
        f"{dataset}/sets/num_evaluation_sets": 3,
        f"{dataset}/sets/num_examples": 1,
    }
    described = method["datasets"][0]
    if described.get("download"):
        changes[f"{dataset}/download"] = False
    if not isinstance(described["sets"]["classes"]["train"], list):
        changes[f"{dataset}/sets/classes"] = {"train": 0.34, "validation": 0.33, "test": 0.33}
    if PUBLISHED[name].shape[1] > SIDE:
        changes |= _smaller(method, dataset)
    return changes


def _smaller(method: dict[str, Any], dataset: str) -> dict[str, Any]:
    """Return what makes objects of 32 x 32, and the first dense layer for them."""
    layers = method["mappings"][0]["layers"]
    first = next(i for i, layer in enumerate(layers) if layer["type"] == "Linear")
    blocks = [layer["out_channels"] for layer in layers if layer["type"] == "Conv2d"]
    changes: dict[str, Any] = {f"{EMBEDDING}/layers/{first}/in_features": blocks[-1] * (SIDE >> len(blocks)) ** 2}
    if method["datasets"][0]["dataset"] == "SpeechFolder":
        return changes | {f"{dataset}/window": SIDE, f"{dataset}/num_mel_bands": SIDE}
    for place in ("transforms", "batch_augmentations/0/transforms"):
        changes[f"{dataset}/{place}/0/size"] = [SIDE, SIDE]
    return changes


def test_there_is_one_for_each_published_dataset() -> None:
    names = {path.stem for path in FOLDER.glob("*.json")}
    assert names == OF_POINTS | SMALL_ONES | set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_is_trained_and_scored_on_a_dataset_of_the_layout(name: str, tmp_path: Path) -> None:
    _write(name, tmp_path)
    result = recombine.run(
        FOLDER / f"{name}.json", overrides=_shrunk(name), device="cpu", data_root=tmp_path, log_dir=tmp_path / "logs"
    )
    assert result.status == "finished"
    (scored,) = result.datasets.values()
    assert scored.num_samples == 30
    assert 0 < scored.scores.acc <= 1
    events = [json.loads(line) for line in (result.folder / "events.jsonl").read_text().splitlines()]
    finite = {key for event in events if event["event"] == "losses" for key, value in event["losses"].items() if value}
    assert finite >= {"cluster_count", "pairwise_clustering"}


def test_a_network_for_faces_is_tested_on_other_people(tmp_path: Path) -> None:
    for number in (0, 1):
        _write("face_scrub", tmp_path, number)
    other = "/datasets/1"
    changes = _shrunk("face_scrub") | {
        f"{other}/enabled": True,
        f"{other}/num_workers": 0,
        f"{other}/transforms/0/size": [SIDE, SIDE],
        f"{other}/sets/num_objects": 10,
        f"{other}/sets/num_evaluation_sets": 2,
    }
    result = recombine.run(
        FOLDER / "face_scrub.json", overrides=changes, device="cpu", data_root=tmp_path, log_dir=tmp_path / "logs"
    )
    assert result.status == "finished"
    assert [scored.num_samples for scored in result.datasets.values()] == [30, 20]
    log = (result.folder / "run.log").read_text()
    assert log.count('Phase "training" ended') == 1
    assert 'Final performance on dataset "LFW"' in log


def _parameters(method: torch.nn.Module) -> int:
    """Return the number of parameters and running statistics as Keras counts them: a gate has one bias there."""
    tensors = {name: tensor for name, tensor in method.state_dict().items() if "num_batches_tracked" not in name}
    second = [tensor.numel() for name, tensor in tensors.items() if "bias_hh_l0" in name]
    return sum(tensor.numel() for tensor in tensors.values()) - sum(second)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_and_the_sets_are_those_of_the_paper(name: str) -> None:
    published, config = PUBLISHED[name], load_file(FOLDER / f"{name}.json").require()
    dataset, phase = config.datasets[0], config.phases[0]
    convolutions = [layer for layer in config.mappings[0].layers if layer["type"] == "Conv2d"]
    assert tuple(layer["out_channels"] for layer in convolutions) == published.blocks
    assert convolutions[0]["in_channels"] == published.shape[0]
    assert dataset.sets is not None
    assert (dataset.batch_size, dataset.sets["num_objects"]) == (published.batch, 20)
    assert dataset.sets["min_objects_per_cluster"] == published.least
    assert {block["pattern"]: block["loss_weight"] for block in phase.design_patterns} == {
        "cluster_count": 1,
        "pairwise_clustering": 5,
    }
    optimizer = phase.optimizers[0]
    assert (optimizer.type, dict(optimizer.arguments)) == ("Adadelta", {"lr": 5, "rho": 0.95, "eps": 1e-7})


@pytest.mark.parametrize("name", PUBLISHED)
def test_classes_are_split_in_the_published_numbers(name: str) -> None:
    dataset = load_file(FOLDER / f"{name}.json").require().datasets[0]
    wanted = PUBLISHED[name].classes
    assert dataset.sets is not None
    parts = class_parts(dataset.sets["classes"], torch.arange(sum(wanted)))
    assert tuple(len(parts[part]) for part in ("train", "validation", "test")) == wanted
    assert min(number for number in wanted if number) >= dataset.num_clusters


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "timit"])
def test_views_run_on_whole_batches_of_images_of_one_size(name: str) -> None:
    dataset = load_file(FOLDER / f"{name}.json").require().datasets[0]
    channels, *side = PUBLISHED[name].shape
    stored = 3 if dataset.dataset == "ImageFolder" else channels
    size = (40, 50) if any(transform["type"] == "Resize" for transform in dataset.transforms) else side
    values = torch.zeros(3, stored, *size, dtype=torch.uint8)
    values[..., : size[1] // 2] = 255
    views = {"plain": dataset.transforms} | {view["name"]: view["transforms"] for view in dataset.batch_augmentations}
    lowest = 0 if name == "mnist" else -1
    for view_name, transforms in views.items():
        view = View(view_name, transforms, Samples(values), fuse=True)
        seen = view(values, torch.Generator().manual_seed(1))
        assert view.fallback_reason is None
        assert tuple(seen.shape) == (3, *PUBLISHED[name].shape)
        assert (seen.min(), seen.max()) == (pytest.approx(lowest, abs=0.01), pytest.approx(1, abs=0.01))


@pytest.mark.parametrize(
    ("name", "channels", "embedding", "total"),
    [("coil_100", 3, 8_550_848, 16_108_756), ("timit", 1, 8_550_272, 16_108_180), ("points", None, None, 7_484_756)],
)
def test_numbers_of_parameters(name: str, channels: int | None, embedding: int | None, total: int) -> None:
    config = load_file(FOLDER / f"{name}.json").require()
    method = build_method(config, 5, (2,) if channels is None else (channels, 128, 128))
    assert _parameters(method) == total
    layers = method.mappings["embedding"]
    assert _parameters(layers) - (256 * 288 + 288) == (embedding or 2 * 288 + 288 - 256 * 288 - 288)


def test_a_small_network_learns_a_few_sets_by_heart() -> None:
    """The losses of eight fixed sets of points in up to three clusters come near 0."""
    path = FOLDER / "points_small_attention.json"
    changes = {
        "/seed": 2,
        "/datasets/0/kind": "blobs",
        "/datasets/0/batch_size": 8,
        "/datasets/0/num_clusters": 3,
        "/datasets/0/sets/num_objects": 12,
        "/mappings/[count_head]/layers/5/p": 0,
        "/mappings/[count_head]/layers/6/out_features": 3,
        "/mappings/[assignment_head]/layers/0/out_features": 6,
        "/mappings/[set_network]/layers/0/num_blocks": 2,
    }
    config = load_file(path, [Override(pointer, value) for pointer, value in changes.items()]).require()
    dataset, phase = config.datasets[0], config.phases[0]
    data = build_data(dataset, load_samples(dataset, FOLDER, None), config.seed, torch.device("cpu"))
    method = build_method(config, 3, (2,)).train()
    objectives = build_objectives(phase, method)
    optimizer = torch.optim.Adam(method.parameters(), lr=2e-3)
    batch = data.training_batch(phase.name, 0, [PLAIN_VIEW, CLASSES])
    context = StepContext(0, data.name, torch.device("cpu"), lambda _: None, same_class_share=data.same_class_share)
    totals = []
    for iteration in range(160):
        step = Step(method, batch, Clock(phase.name, iteration, 0, 1), context)
        losses: dict[str, torch.Tensor] = {}
        for objective in objectives:
            objective.add_to(losses, step)
        (total,) = losses.values()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[0] > 2
    assert totals[-1] < 0.05
