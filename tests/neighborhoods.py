"""Points that are hard to tell apart, and the slow, obvious way to find their neighbours."""

import torch


def by_differences(values, k, queries=None):
    """Return the k lowest squared distances of each row and their columns; of equal ones, the first."""
    points = values.double().flatten(1)
    others = points if queries is None else queries.double().flatten(1)
    squared = torch.stack([(other - points).square().sum(1) for other in others])
    if queries is None:
        squared.fill_diagonal_(torch.inf)
    lowest, order = squared.sort(dim=1, stable=True)
    return lowest[:, :k], order[:, :k]


def hard_points(num=700):
    """Return named sets of ``num`` points."""
    draws = torch.Generator().manual_seed(1)
    which = torch.randint(10, (num,), generator=draws)
    bytes_ = torch.randint(0, 256, (num, 1, 5, 5), generator=draws).byte()
    return {
        "normal": _normal(draws, num, 20),
        "one number": _normal(draws, num, 1),
        "far from the origin": _normal(draws, num, 5) + 1e6,
        "all alike": torch.ones(num, 7),
        "on a grid": torch.randint(0, 3, (num, 4), generator=draws).float(),
        "of zeros and ones": torch.randint(0, 2, (num, 12), generator=draws).float(),
        "ten, many times": _normal(draws, 10, 6)[which],
        "tight clusters far apart": (_normal(draws, 10, 8) * 100)[which] + 1e-4 * _normal(draws, num, 8),
        "huge": _normal(draws, num, 6) * 1e30,
        "tiny": _normal(draws, num, 6) * 1e-30,
        "too small for a normal number": _normal(draws, num, 3) * 1e-40,
        "tiny, many times": (_normal(draws, 10, 6) * 1e-30)[which],
        "of 200 categories": torch.eye(200)[torch.randint(200, (num,), generator=draws)],
        "one far away": torch.cat([_normal(draws, num - 1, 6), torch.full((1, 6), 1e6)]),
        "along a line": torch.linspace(0, 1, num)[:, None],
        "halving": (2.0 ** -torch.arange(num).clamp(max=140))[:, None].expand(num, 2),
        "float64": _normal(draws, num, 6).double() + 1e9,
        "float16": _normal(draws, num, 6).half(),
        "int64": torch.randint(-9, 9, (num, 3), generator=draws) + 2**40,
        "bytes": bytes_,
        "black and white": (bytes_ > 127).byte() * 255,
    }


def _normal(draws, *shape):
    return torch.randn(*shape, generator=draws)
