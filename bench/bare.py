"""The steps of dec_cc_hybrid as one would write them by hand: the floor that the general loop is measured against.

Images in memory, one affine sampling grid for each view, one concatenated forward, the contrast by one matrix product,
torch's default optimizer. No options, no checks, no log.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEARNING_RATE, MOMENTUM = 0.001, 0.9
BATCH, CLUSTERS, FEATURES, PIXELS = 256, 10, 10, 28
_TEMPERATURE, _TARGET_WEIGHT, _DEGREES, _LEAST_SCALE = 0.5, 0.5, 20.0, 0.75


def mlp(*sizes: int) -> nn.Sequential:
    """Return linear layers of the given sizes with ReLU in between."""
    layers: list[nn.Module] = []
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(size, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Bare:
    """Networks and data of dec_cc_hybrid, with a function for the step of each phase.

    Args:
        images: Images ``(N, 1, 28, 28)``, uint8.
        device: Where to compute.
    """

    def __init__(self, images: Tensor, device: torch.device) -> None:
        self.device = device
        self.images = images.to(device)
        self.pixels = self.images.flatten(1).float() / 255
        self.encoder = mlp(784, 500, 500, 2000, FEATURES).to(device)
        self.decoder = mlp(FEATURES, 2000, 500, 500, 784).to(device)
        self.head = mlp(FEATURES, 512, 128).to(device)
        self.centroids = nn.Parameter(torch.randn(CLUSTERS, FEATURES, device=device))
        self.target = torch.rand(len(images), CLUSTERS, device=device).softmax(1)
        self.order = torch.randperm(len(images)).to(device)
        self.position = 0
        self._itself = torch.eye(2 * BATCH, dtype=torch.bool, device=device)
        self._same_cluster = torch.eye(2 * CLUSTERS, dtype=torch.bool, device=device)

    def steps(self) -> dict[str, Callable[[], None]]:
        """Return the step of each phase, with an optimizer of its own."""
        before = [*self.encoder.parameters(), *self.decoder.parameters()]
        after = [*self.encoder.parameters(), *self.head.parameters(), self.centroids]
        first = torch.optim.SGD(before, LEARNING_RATE, MOMENTUM)
        second = torch.optim.SGD(after, LEARNING_RATE, MOMENTUM)
        return {"pretraining": lambda: self.pretrain(first), "finetuning": lambda: self.finetune(second)}

    def pretrain(self, optimizer: torch.optim.Optimizer) -> None:
        """Reconstruct a batch."""
        x = self.pixels[self._next()]
        _descend(F.mse_loss(self.decoder(self.encoder(x)), x), optimizer)

    def finetune(self, optimizer: torch.optim.Optimizer) -> None:
        """Contrast two views, draw the plain one to its target, and keep the clusters apart."""
        index = self._next()
        images = self.images[index].float() / 255
        views = torch.cat([self.pixels[index], _view(images).flatten(1), _view(images).flatten(1)])
        features = self.encoder(views)
        log_probs = self._log_probs(features)
        projected = self.head(features[BATCH:])
        loss = _contrast(projected, self._itself, _TEMPERATURE)
        log_q, first, second = log_probs.chunk(3)
        loss = loss + _TARGET_WEIGHT * F.kl_div(log_q, self.target[index], reduction="batchmean")
        columns = torch.cat([first.exp(), second.exp()], 1).T
        loss = loss + _contrast(columns, self._same_cluster, 1.0)
        _descend(loss + _concentration(first) + _concentration(second), optimizer)

    def _next(self) -> Tensor:
        start = self.position * BATCH
        self.position = (self.position + 1) % (len(self.images) // BATCH)
        return self.order[start : start + BATCH]

    def _log_probs(self, features: Tensor) -> Tensor:
        norms = features.square().sum(1, keepdim=True) + self.centroids.square().sum(1)
        distances = torch.addmm(norms, features, self.centroids.T, alpha=-2).clamp_min(0)
        return (-torch.log1p(distances)).log_softmax(1)


def _view(images: Tensor) -> Tensor:
    """Return images ``(B, 1, 28, 28)``, each cropped and turned by one affine grid."""
    angle = (torch.rand(len(images), device=images.device) * 2 - 1) * math.radians(_DEGREES)
    scale = (_LEAST_SCALE + (1 - _LEAST_SCALE) * torch.rand(len(images), device=images.device)).sqrt()
    shift = (torch.rand(len(images), 2, device=images.device) * 2 - 1) * (1 - scale).unsqueeze(1)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([cosine, -sine, shift[:, 0]], 1), torch.stack([sine, cosine, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _contrast(vectors: Tensor, itself: Tensor, temperature: float) -> Tensor:
    """Return NT-Xent of ``vectors (2M, D)``, whose halves correspond."""
    vectors = F.normalize(vectors)
    similarities = vectors @ vectors.T / temperature
    pairs = len(vectors) // 2
    positives = torch.cat([similarities.diagonal(pairs), similarities.diagonal(-pairs)])
    return (similarities.masked_fill(itself, -torch.inf).logsumexp(1) - positives).mean()


def _concentration(log_probs: Tensor) -> Tensor:
    """Return ln K minus the entropy of the clusters' masses."""
    masses = log_probs.exp().mean(0)
    return math.log(CLUSTERS) + (masses * masses.log()).sum()


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
