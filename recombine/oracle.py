"""Whether labels had a part in a result."""

from recombine import registry
from recombine.config import MethodConfig
from recombine.criteria import ORACLE_CRITERIA


def oracle_reasons(config: MethodConfig) -> tuple[str, ...]:
    """Return why results of a method are ``oracle``: every choice that it leaves to scores against labels."""
    reasons = [f"the strategy chooses by {value}" for value in _oracle_options(config)]
    for phase in config.phases:
        used = [name for name in phase.exit_criteria if name in ORACLE_CRITERIA]
        reasons += [f'phase "{phase.name}" may end by {name}' for name in used]
        metrics = [block.get("metric") for block in phase.optimizer_learning_rate_schedulers]
        watched = [metric for metric in metrics if metric not in (None, "loss")]
        reasons += [f'a scheduler of phase "{phase.name}" watches {metric}' for metric in watched]
    return tuple(reasons)


def _oracle_options(config: MethodConfig) -> list[str]:
    properties = registry.strategies()[config.strategy["type"]].schema["properties"]
    return [
        str(config.strategy[key])
        for key, schema in properties.items()
        if config.strategy.get(key) in schema.get("x-oracle-values", ())
    ]
