"""The helpers of the tests of reliability."""

from suite import PROJECT, project_copy, thinned


def test_thinned_runs_some_by_default_and_keeps_all():
    params = thinned(list(range(100)), fast=10)
    assert [p.values[0] for p in params] == list(range(100))
    assert sum(not p.marks for p in params) == 10


def test_thinned_runs_all_of_a_few():
    assert not any(p.marks for p in thinned([1, 2, 3], fast=10))


def test_thinned_runs_none_if_none_is_wanted():
    assert all(p.marks for p in thinned([1, 2, 3], fast=0))


def test_a_change_in_a_copy_leaves_the_project_alone(tmp_path):
    copy = project_copy(tmp_path / "copy")
    before = (PROJECT / "npgan/__init__.py").read_text()
    (copy / "npgan/__init__.py").unlink()
    (copy / "npgan/__init__.py").write_text("changed")
    assert (PROJECT / "npgan/__init__.py").read_text() == before
