"""Whether labels had a part in a result."""

from recombine import registry
from recombine.config import DatasetConfig, MethodConfig, PhaseConfig
from recombine.criteria import ORACLE_CRITERIA
from recombine.optim import LOSS, METRICS
from recombine.pattern_losses import named_patterns

_SCORES = set(METRICS) - {LOSS}


def oracle_reasons(config: MethodConfig, dataset: DatasetConfig) -> tuple[str, ...]:
    """Return why a method's result on a dataset is ``oracle``: every choice that it leaves to scores against labels."""
    reasons = [f"the strategy chooses by {value}" for value in _oracle_options(config)]
    for phase in _phases_behind(config, dataset):
        used = [name for name in phase.exit_criteria if name in ORACLE_CRITERIA]
        reasons += [f'phase "{phase.name}" may end by {name}' for name in used]
        metrics = [block.get("metric") for block in phase.optimizer_learning_rate_schedulers]
        watched = [metric for metric in metrics if metric in _SCORES]
        reasons += [f'a scheduler of phase "{phase.name}" watches {metric}' for metric in watched]
        reasons += [f'the pattern "{name}" of phase "{phase.name}" is supervised' for name in _supervised(phase)]
    return tuple(reasons)


def _phases_behind(config: MethodConfig, dataset: DatasetConfig) -> list[PhaseConfig]:
    """Return the phases that shaped the networks that a dataset is scored with, each once."""
    phases: list[PhaseConfig] = []
    for other in config.datasets[: config.datasets.index(dataset) + 1]:
        kept = [] if other.reinitialize_mappings else phases
        phases = [*kept, *(phase for phase in config.phases_of(other) if phase not in kept)]
    return phases


def _supervised(phase: PhaseConfig) -> list[str]:
    """Return the patterns of a phase that learn from labels."""
    patterns = named_patterns(phase.design_patterns)
    return [name for name, block in patterns if registry.patterns()[block["pattern"]].schema.get("x-supervised")]


def _oracle_options(config: MethodConfig) -> list[str]:
    properties = registry.strategies()[config.strategy["type"]].schema["properties"]
    return [
        str(config.strategy[key])
        for key, schema in properties.items()
        if config.strategy.get(key) in schema.get("x-oracle-values", ())
    ]
