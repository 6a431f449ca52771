import errno
import os
import re
from pathlib import Path

import pytest

from recombine.errors import UsageError
from recombine.execute import execute
from recombine.logs import Log, LogOptions, check_log_places
from tests.runs import method
from tests.stops import job_of, start

STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] "


@pytest.mark.parametrize("with_timestamps", [True, False])
def test_lines_are_shown_and_stand_in_the_file_with_the_time_in_front_or_without(with_timestamps, tmp_path):
    shown, options = [], LogOptions(tmp_path, with_timestamps=with_timestamps)
    log = Log(options, shown.append, options.file_in(tmp_path))
    for line in ("one", "zwei ä", "half of a character: \udc80"):
        log(line)
    assert [re.sub(STAMP, "", line) for line in shown] == ["one", "zwei ä", "half of a character: \\udc80"]
    assert all(bool(re.match(STAMP, line)) == with_timestamps for line in shown)
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert re.sub(STAMP, "", text) == "one\nzwei ä\nhalf of a character: \\udc80\n"


def test_the_file_is_that_of_the_run_or_the_one_or_none(tmp_path):
    assert LogOptions(tmp_path).file_in(tmp_path / "r") == tmp_path / "r" / "run.log"
    assert LogOptions(tmp_path, tmp_path / "one").file_in(tmp_path / "r") == tmp_path / "one"
    assert LogOptions(tmp_path, tmp_path / "one", with_files=False).file_in(tmp_path / "r") is None
    shown = []
    Log(LogOptions(tmp_path, with_timestamps=False), shown.append, None)("a")
    assert shown == ["a"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_given_up_with_one_word(tmp_path, monkeypatch):
    shown, path = [], tmp_path / "run.log"
    log = Log(LogOptions(tmp_path, with_timestamps=False), shown.append, path)
    log("one")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", _full)
        log("two")
        log("three")
    log("four")
    assert shown == [
        "one",
        "two",
        f"The text log {path} cannot be written any more: No space left on device",
        "three",
        "four",
    ]
    assert path.read_text() == "one\n"


def _full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_does_not_depend_on_its_text_log(tmp_path):
    job = job_of(method(), tmp_path)
    first = start(job, tmp_path / "logs", watchers=[])
    (tmp_path / "other").mkdir()
    log = LogOptions(tmp_path / "other", tmp_path / "a" / "folder" / "that" / "is" / "not.log")
    shown = []
    result, error = execute(job, log, shown.append)
    assert error is None
    assert result.parameters == first.result.parameters
    assert [line for line in shown if "cannot be written any more: No such file or directory" in line] == [shown[1]]


def test_places_are_made_and_tried(tmp_path):
    check_log_places(LogOptions(tmp_path / "a" / "b", tmp_path / "c" / "one.log"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
    assert (tmp_path / "c" / "one.log").read_text() == ""


@pytest.mark.parametrize("place", ["file/logs", "file"])
def test_places_that_cannot_be_written_to_are_the_user_s_mistake(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        check_log_places(LogOptions(tmp_path / place))
    assert str(caught.value) == (
        f"the log folder {tmp_path}/{place} cannot be written to: a part of its path is a file. "
        "Name another with --log-dir"
    )


def test_a_log_file_that_cannot_be_written_to_is_the_user_s_mistake(tmp_path):
    with pytest.raises(UsageError) as caught:
        check_log_places(LogOptions(tmp_path, tmp_path))
    assert str(caught.value) == f"the log file {tmp_path} cannot be written to: Is a directory"
    check_log_places(LogOptions(tmp_path, tmp_path, with_files=False))
    assert Path(tmp_path).is_dir()
