"""The laws of the design, as far as a program can check them."""

import ast
import inspect
from pathlib import Path

import pytest

from recombine import registry, schemas
from recombine.config import centroid_keys
from recombine.pattern_arguments import pattern_options

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "recombine").rglob("*.py"))
EVERYTHING = sorted([*PACKAGE, ROOT / "main.py", *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")])
OPEN_SETS = {
    "design_patterns": ("patterns", registry.patterns, {"base"}),
    "assignment_strategies": ("assignment", registry.strategies, {"base", "centroids"}),
}
#: What a pattern may import of the package: maths, networks, and what it sees of an iteration.
OPEN_TO_PATTERNS = {"clock", "contrast", "decoding", "distances", "errors", "mapping", "modes", "patterns.base", "step"}
OPEN_TO_PATTERNS |= {"affinity", "cuts", "neighbor_graph", "set_outputs", "temperature"}
#: Who imports modules by name, each only names of files in the package's own folders.
IMPORT_BY_NAME = {"recombine/__init__.py", "recombine/registry.py", "recombine/datasets/base.py"}
IMPORT_BY_NAME |= {
    "recombine/views/base.py",
    "recombine/torchvision_import.py",
    "recombine/plots/base.py",
    "recombine/plugins.py",
}
#: Packages that need not be installed, each with the one file that imports it.
EXTRAS = {
    "matplotlib": "recombine/canvas.py",
    "imageio_ffmpeg": "recombine/canvas.py",
    "umap": "recombine/projection.py",
    "pynndescent": "recombine/approximate_neighbors.py",
    "soundfile": "recombine/audio.py",
}
LONGEST_BODY, MOST_ARGUMENTS, DEEPEST, LONGEST_LOOP, LONGEST_FILE = 40, 7, 3, 200, 400
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.While, ast.Match)


def name_of(path):
    """Return a path relative to the project."""
    return path.relative_to(ROOT).as_posix()


def parsed(path):
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def of_kind(tree, kind):
    """Return all nodes of a kind."""
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def functions(path):
    """Return every function of a file."""
    return of_kind(parsed(path), FUNCTIONS)


def body_lines(function):
    """Return the number of lines of a function without its signature and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def arguments(function):
    """Return the names of a function's arguments, ``self`` and ``cls`` apart."""
    given = function.args
    everything = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return [argument.arg for argument in everything if argument.arg not in ("self", "cls")]


def depth(node):
    """Return how deeply loops and conditions are nested inside a node; ``elif`` stands beside its ``if``."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        own = isinstance(child, BLOCKS) and not is_elif
        deepest = max(deepest, own + depth(child))
    return deepest


def dotted(node):
    """Return a chain of attributes as text, ``torch.load`` for example; what is no name in it is ``?``."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "?", *reversed(parts)])


def calls(path):
    """Return the calls of a file by what is called."""
    return [(dotted(call.func), call) for call in of_kind(parsed(path), ast.Call)]


def imports(tree):
    """Return the modules and names that a syntax tree imports, dotted."""
    found = [alias.name for node in of_kind(tree, ast.Import) for alias in node.names]
    for node in of_kind(tree, ast.ImportFrom):
        found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


# --- size ---------------------------------------------------------------------------------------------------------


def test_finds_the_files():
    assert len(PACKAGE) > 60
    assert len(EVERYTHING) > len(PACKAGE) + 40
    assert ROOT / "recombine" / "loop.py" in PACKAGE


def test_the_loop_is_short():
    assert len((ROOT / "recombine" / "loop.py").read_text().splitlines()) < LONGEST_LOOP


def test_files_are_short():
    long = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE}
    assert {name: lines for name, lines in long.items() if lines >= LONGEST_FILE} == {}


def test_functions_are_short():
    found = [(name_of(path), f.name, body_lines(f)) for path in EVERYTHING for f in functions(path)]
    assert len(found) > 700
    assert [entry for entry in found if entry[2] > LONGEST_BODY] == []


def test_functions_take_few_arguments():
    found = [(name_of(path), f.name, len(arguments(f))) for path in EVERYTHING for f in functions(path)]
    assert [entry for entry in found if entry[2] > MOST_ARGUMENTS] == []


def test_functions_are_flat():
    found = [(name_of(path), f.name, depth(f)) for path in PACKAGE for f in functions(path)]
    assert [entry for entry in found if entry[2] > DEEPEST] == []


def test_no_function_hides_in_another():
    nested = [
        (name_of(path), inner.name)
        for path in PACKAGE
        for outer in functions(path)
        for inner in of_kind(outer, FUNCTIONS)
        if inner is not outer
    ]
    assert nested == []


def test_nothing_is_nonlocal_or_global():
    assert [name_of(path) for path in PACKAGE if of_kind(parsed(path), (ast.Nonlocal, ast.Global))] == []


# --- what nobody does ---------------------------------------------------------------------------------------------


def test_nobody_prints():
    assert [name_of(path) for path in PACKAGE for name, _ in calls(path) if name == "print"] == []


def test_nobody_runs_text():
    forbidden = {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "os.system"}
    assert [(name_of(path), name) for path in PACKAGE for name, _ in calls(path) if name in forbidden] == []


def test_nobody_unpickles():
    forbidden = {"pickle.load", "pickle.loads", "pickle.Unpickler", "torch.serialization.load"}
    forbidden |= {"joblib.load", "numpy.load"}
    assert [(name_of(path), name) for path in PACKAGE for name, _ in calls(path) if name in forbidden] == []
    imported = {name for path in PACKAGE for name in imports(parsed(path))}
    assert imported.isdisjoint({"pickle.load", "pickle.loads", "torch.load", "numpy.load", "joblib", "dill", "marshal"})


@pytest.mark.parametrize(
    ("function", "argument", "safe"), [("torch.load", "weights_only", "True"), ("np.load", "allow_pickle", "False")]
)
def test_numbers_alone_are_loaded(function, argument, safe):
    found = [(name_of(path), call) for path in PACKAGE for name, call in calls(path) if name == function]
    assert found
    for name, call in found:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get(argument) == safe, name


def test_only_folders_of_the_package_are_imported_by_name():
    names = {name_of(path) for path in PACKAGE for name, _ in calls(path) if name.endswith("import_module")}
    assert names == IMPORT_BY_NAME


def test_only_the_runners_catch_everything():
    broad = {"Exception", "BaseException"}
    found = {
        name_of(path)
        for path in PACKAGE
        for handler in of_kind(parsed(path), ast.ExceptHandler)
        if handler.type is None or broad & {dotted(node) for node in ast.walk(handler.type)}
    }
    assert found <= {"recombine/execute.py", "recombine/batch.py", "recombine/worker.py", "recombine/plugins.py"}


def test_torchvision_is_imported_in_one_place():
    imported = {name_of(path): imports(parsed(path)) for path in PACKAGE}
    assert [file for file, names in imported.items() if any(n.split(".")[0] == "torchvision" for n in names)] == []
    by_name = {name_of(path): imported_by_name(parsed(path)) for path in PACKAGE}
    assert {file for file, names in by_name.items() if "torchvision" in names} == {"recombine/torchvision_import.py"}
    tree = parsed(ROOT / "recombine" / "torchvision_import.py")
    at_import = [node for node in tree.body if not isinstance(node, (*FUNCTIONS, ast.ClassDef))]
    assert "torchvision" not in imported_by_name(ast.Module(at_import, []))


@pytest.mark.parametrize("package", EXTRAS)
def test_what_need_not_be_installed_is_imported_in_one_place_when_it_is_needed(package):
    """Imports for type checkers alone do not count."""
    found = {
        name_of(path): not_at_import
        for path in PACKAGE
        for name, not_at_import in runtime_imports(parsed(path))
        if name.split(".")[0] == package
    }
    assert found == {EXTRAS[package]: True}


def runtime_imports(tree):
    """Return the names that a file imports when it runs, each with whether that happens inside a function."""
    for_types = [node for node in of_kind(tree, ast.If) if dotted(node.test) == "TYPE_CHECKING"]
    aside = {id(child) for node in for_types for child in ast.walk(node)}
    within = {id(child) for function in of_kind(tree, FUNCTIONS) for child in ast.walk(function)}
    nodes = [node for node in of_kind(tree, (ast.Import, ast.ImportFrom)) if id(node) not in aside]
    return [(name, id(node) in within) for node in nodes for name in imports(ast.Module([node], []))]


def imported_by_name(tree):
    """Return the texts given to ``import_module``, up to the first dot."""
    found = [call for call in of_kind(tree, ast.Call) if dotted(call.func).endswith("import_module")]
    texts = [node.value for call in found for argument in call.args for node in of_kind(argument, ast.Constant)]
    return {text.split(".")[0] for text in texts if isinstance(text, str)}


# --- patterns and strategies --------------------------------------------------------------------------------------

PATTERN_FILES = sorted((ROOT / "recombine" / "patterns").glob("*.py"))


def test_patterns_import_maths_and_networks_alone():
    assert len(PATTERN_FILES) >= 10
    for path in PATTERN_FILES:
        own = [name.removeprefix("recombine.") for name in imports(parsed(path)) if name.startswith("recombine")]
        modules = {name.rpartition(".")[0] for name in own}
        assert modules <= OPEN_TO_PATTERNS, name_of(path)


def test_patterns_know_no_labels():
    for path in PATTERN_FILES:
        tree = parsed(path)
        words = {node.id for node in of_kind(tree, ast.Name)} | {node.attr for node in of_kind(tree, ast.Attribute)}
        words |= {argument.arg for argument in of_kind(tree, ast.arg)}
        assert words.isdisjoint({"label", "labels", "class_names", "ground_truth"}), name_of(path)


def test_patterns_choose_no_devices():
    for path in PATTERN_FILES:
        attributes = {dotted(node) for node in of_kind(parsed(path), ast.Attribute)}
        assert attributes.isdisjoint({"torch.device", "torch.cuda", "torch.get_default_device"}), name_of(path)
        last = {attribute.rpartition(".")[2] for attribute in attributes}
        assert last.isdisjoint({"cuda", "cpu", "is_cuda"}), name_of(path)
        texts = {node.value for node in of_kind(parsed(path), ast.Constant) if isinstance(node.value, str)}
        assert texts.isdisjoint({"cpu", "cuda"}), name_of(path)


def test_patterns_do_not_log_read_or_write():
    for path in PATTERN_FILES:
        roots = {name.split(".")[0] for name in imports(parsed(path))}
        assert roots.isdisjoint({"logging", "pathlib", "os", "io", "json", "time", "random", "numpy"}), name_of(path)


@pytest.mark.parametrize("folder", OPEN_SETS)
def test_schema_module_and_test_have_the_same_stem(folder):
    package, entries, others = OPEN_SETS[folder]
    stems = {path.stem for path in (schemas.root() / folder).glob("*.json")}
    modules = {path.stem for path in (ROOT / "recombine" / package).glob("*.py")} - {"__init__"} - others
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / package).glob("test_*.py")}
    assert len(stems) >= 3
    assert set(entries()) == stems == modules
    assert stems <= tests <= stems | others | {"conformance"}


@pytest.mark.parametrize("folder", OPEN_SETS)
def test_constructors_take_the_options_of_the_schema_without_defaults(folder):
    _, entries, _ = OPEN_SETS[folder]
    for entry in entries().values():
        expected = set(pattern_options(entry.subschema))
        if folder == "assignment_strategies":
            shared = {"type", "description", "associated_feature_extractor", *centroid_keys()}
            expected -= shared | {"associated_feature_extractor_name"}
        parameters = list(inspect.signature(entry.implementation()).parameters.values())
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        assert {p.name for p in named} == expected, entry.id
        assert [p.name for p in parameters if p not in named] == (["context"] if folder != "design_patterns" else [])
        assert all(p.default is p.empty for p in parameters), entry.id


def test_every_file_of_the_package_has_a_docstring():
    assert [name_of(path) for path in PACKAGE if ast.get_docstring(parsed(path)) is None] == []


def test_the_loop_hands_on_and_computes_nothing():
    """The loop calls patterns, optimizers and callbacks; losses, gradients and scores are made elsewhere."""
    names = {name for name, _ in calls(ROOT / "recombine" / "loop.py")}
    assert {"train_step", "run_phase", "first_met"} <= names
    forbidden = {"backward", "grad", "zero_grad", "no_grad", "item", "cpu"}
    assert [name for name in names if name.rpartition(".")[2] in forbidden] == []
