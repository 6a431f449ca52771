"""Packages with design patterns, as pip would leave them, in a folder of their own."""

import json

from recombine.plugin_packages import GROUP
from recombine.scaffold import new_pattern


def installed(folder, name="wide_spread", entry=None, **changes):
    """Write the scaffold of a pattern as an installed package, with some keys of its schema changed; None removes.

    Returns:
        The package's folder, which is to be on Python's path.
    """
    place = new_pattern(name, folder).place
    package = f"recombine_{name}"
    schema = place / package / f"{name}.json"
    content = {**json.loads(schema.read_text()), **changes}
    schema.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    about = place / f"{package}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: recombine-{name.replace('_', '-')}\nVersion: 0.1.0\n"
    )
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{entry or f'{name} = {package}.{name}'}\n")
    return place
