import os

import pytest

from recombine.errors import ParameterFileError
from recombine.places import Places


@pytest.fixture
def folders(tmp_path):
    """Return a method's folder, a log folder, and a folder beside them."""
    found = [tmp_path / name for name in ("method", "logs", "beside")]
    for folder in found:
        folder.mkdir()
    return found


def refused(places, path):
    """Return why a path is refused."""
    with pytest.raises(ParameterFileError) as caught:
        places.check(path)
    return str(caught.value)


@pytest.mark.parametrize("path", ["x.pth", "./x.pth", "a/b/x.pth", "a/", "a/../x.pth", "x../y.pth"])
def test_relative_paths_lead_below_the_method_s_folder(folders, path):
    places = Places(folders[0], ())
    places.check(path)
    assert places.to_write(path) == (folders[0] / path).resolve()
    assert list(folders[0].iterdir()) == []


def test_the_log_folder_and_allowed_folders_may_be_written_to(folders):
    method, logs, beside = folders
    places = Places(method, (logs, beside / "deeper"))
    for path in ("../logs/x.pth", str(logs / "x.pth"), "../beside/deeper/", str(beside / "deeper" / "a" / "x.pth")):
        places.check(path)
    assert "lies outside the folder" in refused(places, "../beside/x.pth")


@pytest.mark.parametrize(
    ("path", "allow"),
    [("../x.pth", "{}"), ("../beside/", "{}/beside"), ("a/../../x.pth", "{}"), ("/etc/x.pth", "/etc"), ("..", "{}/..")],
)
def test_other_places_are_refused_with_the_option_that_allows_them(folders, path, allow):
    wanted = os.path.normpath(allow.format(folders[0].parent))
    assert refused(Places(folders[0], ()), path) == (
        f'"{path}" lies outside the folder of the method file, where it may save; allow it by --allow-write {wanted}'
    )


def test_symbolic_links_lead_nowhere_else(folders):
    method, _, beside = folders
    (method / "folder").symlink_to(beside)
    (method / "file.pth").symlink_to(beside / "x.pth")
    (method / "own").symlink_to(method)
    places = Places(method, ())
    assert "--allow-write" in refused(places, "folder/x.pth")
    assert "--allow-write" in refused(places, "folder/")
    assert "--allow-write" in refused(places, "file.pth")
    places.check("own/x.pth")


def test_a_method_in_a_linked_folder_writes_below_the_folder_itself(folders, tmp_path):
    (tmp_path / "link").symlink_to(folders[0])
    assert Places(tmp_path / "link", ()).to_write("x.pth") == folders[0] / "x.pth"


def test_what_cannot_be_written_is_told_before_anything_runs(folders):
    method = folders[0]
    (method / "file").write_text("")
    places = Places(method, ())
    assert refused(places, "file/x.pth") == f'"file/x.pth" cannot be written: {method}/file is no folder'
    assert refused(places, "file/a/") == f'"file/a/" cannot be written: {method}/file is no folder'
    assert refused(places, "file/") == f'"file/" cannot be written: {method}/file is no folder'
    long = "a" * 300
    assert refused(places, long) == f'"{long}" cannot be written: File name too long'
    places.check("file")


def test_a_folder_that_does_not_allow_it_is_named(folders, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != folders[0])
    assert refused(Places(folders[0], ()), "x.pth") == (
        f'"x.pth" cannot be written: the folder {folders[0]} does not allow it'
    )
