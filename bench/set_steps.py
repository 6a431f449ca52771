"""Measure the iterations of Learning to Cluster against the same ones written by hand, in alternation.

    python -m bench.set_steps [--rounds 5] [--device cpu] [--threads N]

The method is ``configurations/learning_to_cluster/points.json``: 200 sets of 72 points, fourteen residual blocks of
bidirectional LSTMs, both losses and the compactness of classes. By hand, sets come out of the same generator. How long
the generator itself takes is measured beside it. Writes ``bench/results/set_steps.json``, or
``set_steps_<device>.json``; ``bench/write_speed.py`` makes the page.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import common, machine
from bench.stepping import Loop, alternate, ratio, read_method
from recombine import point_sets
from recombine.build import load_samples
from recombine.layers import bidirectional_lstm
from recombine.load import load_dict

_METHOD = common.ROOT / "configurations" / "learning_to_cluster" / "points.json"
_SETS, _SIZE, _MOST, _WIDTH, _BLOCKS = 200, 72, 5, 288, 14
_SHARE, _EPSILON = 0.4491, 1e-7


class Network(nn.Module):
    """The published network for points, as one would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Sequential(nn.Linear(2, _WIDTH), nn.LeakyReLU(0.3))
        self.blocks = nn.ModuleList(bidirectional_lstm(_WIDTH, _WIDTH // 2) for _ in range(_BLOCKS))
        self.summary = bidirectional_lstm(_WIDTH, 128)
        normalised = [nn.BatchNorm1d(256, eps=1e-3, momentum=0.01) for _ in range(2)]
        self.count = nn.Sequential(
            normalised[0],
            nn.Linear(256, 256),
            nn.LeakyReLU(0.3),
            normalised[1],
            nn.Dropout(0.5),
            nn.Linear(256, _MOST),
        )
        self.assignment = nn.Linear(_WIDTH, _MOST * (_MOST + 1) // 2)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the number of clusters, of clusters, and the last features, of points ``(B, n, 2)``."""
        hidden = self.embedding(points)
        for block in self.blocks[:-1]:
            hidden = hidden + block(hidden)[0]
        last = hidden + self.blocks[-1](hidden)[0]
        states = self.summary(hidden)[1][0]
        return self.count(torch.cat([states[0], states[1]], 1)), self.assignment(last), last


class ByHand:
    """The step of training, without options, checks or a log."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.network = Network().to(device)
        self.optimizer = torch.optim.Adadelta(self.network.parameters(), lr=5.0, rho=0.95, eps=1e-7)
        self.draws = torch.Generator().manual_seed(0)
        rows = torch.triu_indices(_SIZE, _SIZE, 1, device=device)
        self.first, self.second = rows[0], rows[1]
        self.same_weight = 2 * (1 - _SHARE) ** 0.5 / (_SHARE**0.5 + (1 - _SHARE) ** 0.5)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return points, clusters and numbers of clusters."""
        counts = torch.randint(1, _MOST + 1, (_SETS,), generator=self.draws)
        points, clusters = point_sets.shapes(counts, _SIZE, self.draws)
        order = torch.rand(_SETS, _SIZE, generator=self.draws).argsort(1)
        rows = torch.arange(_SETS)[:, None]
        return points[rows, order].to(self.device), clusters[rows, order].to(self.device), counts.to(self.device)

    def step(self) -> None:
        """Train on a batch of sets."""
        points, clusters, counts = self.draw()
        count_logits, logits, features = self.network(points)
        probs = torch.cat([part.softmax(2) for part in logits.split(list(range(1, _MOST + 1)), 2)], 2)
        weights = count_logits.softmax(1).repeat_interleave(torch.arange(1, _MOST + 1, device=self.device), 1)
        together = ((probs * weights[:, None]) @ probs.transpose(1, 2))[:, self.first, self.second]
        together = together.clamp(_EPSILON, 1 - _EPSILON)
        same = (clusters[:, self.first] == clusters[:, self.second]).float()
        own, other = self.same_weight * same, (2 - self.same_weight) * (1 - same)
        pairwise = -(own * together.log() + other * (1 - together).log()).mean()
        equal = (clusters[:, :, None] == clusters[:, None]).float()
        compact = (features - equal @ features / equal.sum(2, keepdim=True)).square().mean()
        loss = F.cross_entropy(count_logits, counts - 1) + 5 * pairwise + 0.5 * compact
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def main() -> None:
    """Measure and write."""
    parser = machine.parser(__doc__, rounds=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = machine.settle(arguments, arguments.device)
    method = read_method(_METHOD)
    config = load_dict(method, folder=_METHOD.parent).require()
    loop = Loop(method, load_samples(config.datasets[0], _METHOD.parent, None), "training", arguments.device)
    by_hand = ByHand(device)
    candidates = {"loop": loop.step, "by_hand": by_hand.step, "generator": by_hand.draw}
    for call in candidates.values():
        call()
    seconds = alternate(candidates, arguments.rounds, 1, device)
    found = {
        "machine": machine.machine(device),
        "seconds": machine.spreads(seconds),
        "ratios": {
            "loop/by_hand": ratio(seconds, "loop", "by_hand"),
            "generator/loop": ratio(seconds, "generator", "loop"),
        },
    }
    name = "set_steps.json" if device.type == "cpu" else f"set_steps_{device.type}.json"
    common.write(name, found)


if __name__ == "__main__":
    main()
