"""Layers that torch.nn lacks: blocks and summaries over the objects of a set, ``(B, n, D)``.

Those with an LSTM read a set as a sequence, so that their answers depend on the order of the objects; those with
attention do not (Vaswani et al. 2017; Lee et al. 2019: Set Transformer). Sets of any size n >= 1 can be given to all.
"""

import torch
from torch import Tensor, nn

_DIRECTIONS, _DIMENSIONS = 2, 3


class ResidualBiLSTM(nn.Module):
    """Blocks of a bidirectional LSTM whose output is added to its input, the RBDLSTM of Meier et al. (2018).

    ::

        h <- h + [forward LSTM(h), backward LSTM(h)]

    Input and output ``(B, n, D)``. Input weights start as Glorot and Bengio (2010) say, for the four gates as one
    matrix, recurrent weights orthogonal, biases at 0 with those of the forget gates at 1. Torch has two biases for
    each gate, where others have one.

    Args:
        features: D, an even number: each direction has D / 2 units.
        num_blocks: Number of blocks one after the other, at least 1.
        residual: Whether a block adds its input to its output; one for all, or a list with one for each block.

    Raises:
        ValueError: D is odd, or there are not as many ``residual`` as blocks.
    """

    def __init__(self, features: int, num_blocks: int = 1, residual: bool | list[bool] = True) -> None:
        super().__init__()
        if features < _DIRECTIONS or features % _DIRECTIONS:
            raise ValueError(f"features is {features}, and must be an even number: half of them for each direction")
        if num_blocks < 1:
            raise ValueError(f"num_blocks is {num_blocks}, and must be at least 1")
        self.residual = [residual] * num_blocks if isinstance(residual, bool) else list(residual)
        if len(self.residual) != num_blocks:
            raise ValueError(f"residual has {len(self.residual)} values for {num_blocks} blocks")
        self.blocks = nn.ModuleList(bidirectional_lstm(features, features // 2) for _ in range(num_blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, n, D)`` to ``(B, n, D)``."""
        _check_sets(x)
        for block, adds in zip(self.blocks, self.residual, strict=True):
            output: Tensor = block(x)[0]
            x = x + output if adds else output
        return x


class ResidualSetAttention(nn.Module):
    """Blocks of self-attention over the objects of a set, which treat every order of them alike.

    ::

        h <- h + attention(norm(h)),   h <- h + W_2 gelu(W_1 norm(h))

    Each object looks at all objects of its set (Vaswani et al. 2017, with the normalisation in front, as Xiong et al.
    2020 have it). Input and output ``(B, n, D)``: the output of a permuted set is the permuted output.

    Args:
        features: D, a multiple of ``num_heads``.
        num_heads: Attention heads, at least 1.
        num_blocks: Number of blocks one after the other, at least 1.
        expansion: Width of the hidden layer of each block over D, at least 1.
        final_norm: Whether a layer normalisation follows the last block.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self, features: int, num_heads: int = 4, num_blocks: int = 1, expansion: int = 2, final_norm: bool = False
    ) -> None:
        super().__init__()
        numbers = {"num_heads": num_heads, "num_blocks": num_blocks, "expansion": expansion}
        for name, value in numbers.items():
            if value < 1:
                raise ValueError(f"{name} is {value}, and must be at least 1")
        if features < 1 or features % num_heads:
            raise ValueError(f"features is {features}, and must be a multiple of num_heads, {num_heads}")
        self.blocks = nn.ModuleList(_AttentionBlock(features, num_heads, expansion) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(features) if final_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, n, D)`` to ``(B, n, D)``."""
        _check_sets(x)
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.norm(x))


class BiLSTMSummary(nn.Module):
    """A set in one vector: the last states of both directions of an LSTM, ``(B, n, D)`` to ``(B, 2 U)``.

    The forward direction has read the whole set after its last object, the backward one after the first. Parameters
    start like those of :class:`ResidualBiLSTM`.

    Args:
        in_features: D, at least 1.
        hidden_features: U, the units of a direction, at least 1.
    """

    def __init__(self, in_features: int, hidden_features: int) -> None:
        super().__init__()
        self.lstm = bidirectional_lstm(in_features, hidden_features)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, n, D)`` to ``(B, 2 U)``."""
        _check_sets(x)
        states: Tensor = self.lstm(x)[1][0]
        return torch.cat([states[0], states[1]], 1)


class SetPooling(nn.Module):
    """A set in one vector whatever the order of its objects: their mean beside their maximum.

    Input ``(B, n, D)``, output ``(B, 2 D)``. The mean tells of shares, the maximum of what occurs at all (Zaheer et
    al. 2017: Deep Sets).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, n, D)`` to ``(B, 2 D)``."""
        _check_sets(x)
        return torch.cat([x.mean(1), x.amax(1)], 1)


class AttentionPooling(nn.Module):
    """A set in one vector whatever the order of its objects: learned questions that look at all of them.

    Input ``(B, n, D)``, output ``(B, Q D)`` (pooling by multihead attention of Lee et al. 2019).

    Args:
        features: D, a multiple of ``num_heads``.
        num_queries: Q, at least 1.
        num_heads: Attention heads, at least 1.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(self, features: int, num_queries: int = 1, num_heads: int = 4) -> None:
        super().__init__()
        if num_queries < 1:
            raise ValueError(f"num_queries is {num_queries}, and must be at least 1")
        if num_heads < 1 or features < 1 or features % num_heads:
            raise ValueError(f"features is {features}, and must be a multiple of num_heads, {num_heads}")
        self.queries = nn.Parameter(torch.empty(1, num_queries, features))
        nn.init.xavier_uniform_(self.queries)
        self.attention = nn.MultiheadAttention(features, num_heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, n, D)`` to ``(B, Q D)``."""
        _check_sets(x)
        found: Tensor = self.attention(self.queries.expand(len(x), -1, -1), x, x, need_weights=False)[0]
        return found.flatten(1)


class _AttentionBlock(nn.Module):
    """Attention, then a network with one hidden layer, each added to what it gets."""

    def __init__(self, features: int, num_heads: int, expansion: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(features)
        self.projection = nn.Linear(features, 3 * features)
        self.output = nn.Linear(features, features)
        self.network = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, expansion * features),
            nn.GELU(),
            nn.Linear(expansion * features, features),
        )

    def forward(self, x: Tensor) -> Tensor:
        count, size, features = x.shape
        parts = self.projection(self.attention_norm(x)).view(count, size, 3, self.num_heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(queries, keys, values)
        x = x + self.output(seen.transpose(1, 2).reshape(count, size, features))
        return x + torch.as_tensor(self.network(x))


def bidirectional_lstm(in_features: int, hidden_features: int) -> nn.LSTM:
    """Return an LSTM over ``(B, n, D)`` in both directions, its parameters as :class:`ResidualBiLSTM` says."""
    lstm = nn.LSTM(in_features, hidden_features, batch_first=True, bidirectional=True)
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(parameter)
        else:
            nn.init.zeros_(parameter)
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias_ih"):
            nn.init.ones_(parameter.detach()[hidden_features : 2 * hidden_features])
    return lstm


def _check_sets(x: Tensor) -> None:
    if x.ndim != _DIMENSIONS:
        raise ValueError(
            f"sets of objects with features have three dimensions, (sets, objects, features), not {x.ndim}; "
            f'does the mapping have "works_on": "sets"?'
        )
