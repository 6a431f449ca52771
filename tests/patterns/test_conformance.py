"""What every registered design pattern must hold to; a new one is taken in by being there."""

import copy
import dataclasses
import inspect
import io
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator

from recombine import registry, schemas
from recombine.checks import losses_of
from recombine.evaluate import evaluation_mode
from recombine.held_out import HeldOutStep
from recombine.pattern_arguments import pattern_options
from recombine.patterns.base import DesignPattern
from recombine.step import Batch
from recombine.subschemas import annotation, expand, items, properties
from tests.patterns.world import World, schema_errors, spelt_out

ROOT = schemas.root().parent
IDS = sorted(path.stem for path in (schemas.root() / "design_patterns").glob("*.json"))
EXAMPLES = [
    pytest.param(example, id=f"{stem}-{position}")
    for stem in IDS
    for position, example in enumerate(schemas.load(f"design_patterns/{stem}.json")["examples"])
]


def test_finds_patterns():
    assert len(IDS) >= 8
    assert list(registry.patterns()) == IDS


def test_no_two_patterns_share_an_identifier():
    names = [name for entry in registry.patterns().values() for name in (entry.id, *entry.aliases)]
    assert len(names) == len(set(names))


def test_batches_hold_no_labels():
    assert [field.name for field in dataclasses.fields(Batch)] == ["index", "views", "num_sets"]


@pytest.mark.parametrize("stem", IDS)
def test_only_patterns_that_say_so_see_classes(stem):
    schema = schemas.load(f"design_patterns/{stem}.json")
    source = (ROOT / "recombine" / "patterns" / f"{stem}.py").read_text(encoding="utf-8")
    assert set(schema.get("x-supervised", ())) <= {"classes"}
    assert (".target(" in source) == ("x-supervised" in schema)
    assert "CLASSES" not in source


def test_every_module_is_a_pattern():
    modules = {path.stem for path in (ROOT / "recombine" / "patterns").glob("*.py")}
    assert modules == {*IDS, "base", "__init__"}


@pytest.mark.parametrize("stem", IDS)
def test_module_and_test_exist(stem):
    assert issubclass(registry.patterns()[stem].implementation(), DesignPattern)
    assert (Path(__file__).parent / f"test_{stem}.py").is_file()


@pytest.mark.parametrize("stem", IDS)
def test_schema_is_valid_and_complete(stem):
    schema = schemas.load(f"design_patterns/{stem}.json")
    Draft202012Validator.check_schema(schema)
    assert schema["unevaluatedProperties"] is False
    assert schema["properties"]["pattern"]["enum"] == [stem, *schema["x-aliases"]]
    assert schema["title"]
    assert schema["description"]
    assert schema["x-formula"]
    assert all({"title", "url"} == set(paper) for paper in schema["x-papers"])
    assert schema["x-min-batch"] >= 1


@pytest.mark.parametrize("stem", IDS)
def test_every_key_is_described(stem):
    known = properties(expand([registry.patterns()[stem].subschema], {}))
    for name, found in known.items():
        assert annotation(expand(found, None), "description"), name


@pytest.mark.parametrize("stem", IDS)
def test_losses_name_keys_that_exist(stem):
    entry = registry.patterns()[stem]
    known = properties(expand([entry.subschema], {}))
    for loss in entry.schema["x-losses"].values():
        assert loss["group"] in known
        assert loss["weight"] is None or loss["weight"] in known
        assert set(loss.get("when", {})) <= set(known)


@pytest.mark.parametrize("stem", IDS)
def test_constructor_takes_exactly_the_options(stem):
    entry = registry.patterns()[stem]
    parameters = inspect.signature(entry.implementation()).parameters.values()
    assert {parameter.name for parameter in parameters} == set(pattern_options(entry.subschema))
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    assert all(parameter.default is inspect.Parameter.empty for parameter in parameters)


@pytest.mark.parametrize("stem", IDS)
def test_has_examples(stem):
    assert schemas.load(f"design_patterns/{stem}.json")["examples"]


@pytest.mark.parametrize("block", EXAMPLES)
def test_example_is_valid(block):
    assert schema_errors(block) == []


@pytest.mark.parametrize("block", EXAMPLES)
def test_unknown_key_is_one_error(block):
    errors = schema_errors(block | {"loss_wieght": 1})
    assert [error.validator for error in errors] == ["unevaluatedProperties"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("block", EXAMPLES)
def test_losses_are_finite_scalars_named_as_declared(block, dtype):
    world = World(dtype)
    losses = world.losses(world.build(block))
    assert set(losses) == set(losses_of(spelt_out(block)))
    for loss in losses.values():
        assert loss.shape == ()
        assert loss.dtype == dtype
        assert torch.isfinite(loss)
        assert loss.requires_grad


@pytest.mark.parametrize("block", EXAMPLES)
def test_works_on_the_smallest_batch(block, world):
    smallest = schemas.load(registry.patterns()[spelt_out(block)["pattern"]].schema_file)["x-min-batch"]
    for loss in world.losses(world.build(block), index=range(smallest)).values():
        assert torch.isfinite(loss)


@pytest.mark.parametrize("block", EXAMPLES)
def test_gradients_reach_what_the_block_names_and_nothing_else(block, world):
    torch.stack(list(world.losses(world.build(block)).values())).sum().backward()
    reached = {name for name, mapping in world.mappings.items() if _has_gradient(mapping)}
    named = _named_mappings(block)
    assert named <= reached
    assert reached <= named | {"encoder"}


@pytest.mark.parametrize("block", EXAMPLES)
def test_same_step_gives_the_same_losses(block, world):
    pattern = world.build(block)
    first, second = world.losses(pattern), world.losses(pattern)
    assert {name: loss.item() for name, loss in first.items()} == {name: loss.item() for name, loss in second.items()}


@pytest.mark.parametrize("block", EXAMPLES)
def test_state_survives_a_file(block, world):
    trained, resumed = world.build(block), world.build(block)
    world.losses(trained, iteration=0)
    with torch.no_grad():
        world.centroids.add_(0.5)
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    expected = world.losses(trained, iteration=1)
    assert {name: loss.item() for name, loss in world.losses(resumed, iteration=1).items()} == {
        name: loss.item() for name, loss in expected.items()
    }


@pytest.mark.parametrize("block", EXAMPLES)
def test_after_step_and_stage_can_be_called(block, world):
    pattern = world.build(block)
    step = world.step()
    assert pattern.after_step(step) is None
    assert isinstance(pattern.stage(step.clock), str | None)


@pytest.mark.parametrize("block", EXAMPLES)
def test_losses_on_held_out_samples_are_those_of_other_iterations_and_change_nothing(block, world):
    pattern = world.build(block)
    expected = world.losses(pattern)
    before = copy.deepcopy((pattern.state_dict(), dict(world.method.state_dict())))
    step = world.step(range(8, 19))
    held_out = HeldOutStep(world.method, step.batch, step.clock, step._context, 0)
    with evaluation_mode(world.method), torch.random.fork_rng():
        held_out.seed()
        losses = pattern.losses(held_out)
    assert losses.keys() == expected.keys()
    assert all(loss.shape == () and torch.isfinite(loss) and not loss.requires_grad for loss in losses.values())
    torch.testing.assert_close((pattern.state_dict(), dict(world.method.state_dict())), before, rtol=0, atol=0)


def _has_gradient(module):
    return any(parameter.grad is not None for parameter in module.parameters())


def _named_mappings(block):
    known = properties(expand([registry.patterns()[spelt_out(block)["pattern"]].subschema], block))
    one = {block[key] for key, found in known.items() if key in block and _is_mapping(found)}
    lists = [block[key] for key, found in known.items() if key in block and _is_mapping(items(expand(found, None)))]
    return one.union(*lists)


def _is_mapping(found):
    return annotation(expand(found, None), "x-ref") == "mapping"
