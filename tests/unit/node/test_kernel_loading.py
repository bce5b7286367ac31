from __future__ import annotations

import json
from pathlib import Path

import pytest

from eiha.engine import jit
from eiha.node import kernel_loading
from eiha.node.kernel_loading import RECORD, prepare_kernels, record_directory

pytestmark = pytest.mark.skipif(not jit.is_compiled(), reason="kernels run interpreted here")


def test_the_first_start_loads_everything_and_later_ones_nothing(tmp_path: Path) -> None:
    count, loaded = prepare_kernels(tmp_path)
    assert count == loaded == len(jit.kernels())
    assert prepare_kernels(tmp_path) == (count, 0)


def test_a_blank_node_has_numba_s_own_modules_before_it_joins(tmp_path: Path) -> None:
    count, _ = prepare_kernels(tmp_path)
    with jit.interpreted():
        pass  # none is bound after it
    assert prepare_kernels(tmp_path, is_blank=True) == (count, 1)
    assert sum(each.is_bound for each in jit.kernels()) == 1


def test_what_the_cache_lost_is_made_again_before_the_node_joins(tmp_path: Path) -> None:
    count, _ = prepare_kernels(tmp_path)
    record = json.loads((tmp_path / RECORD).read_bytes())
    record["files"][str(Path(next(iter(record["files"]))).parent / "gone-1.py311.nbi")] = 10
    (tmp_path / RECORD).write_text(json.dumps(record))
    assert prepare_kernels(tmp_path) == (count, count)
    assert prepare_kernels(tmp_path) == (count, 0)


def test_another_processor_or_another_numba_is_another_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, _ = prepare_kernels(tmp_path)
    monkeypatch.setattr(kernel_loading, "_processor", lambda: ["model name : another"])
    assert prepare_kernels(tmp_path) == (count, count)
    monkeypatch.setattr(kernel_loading, "version", lambda _package: "99.0")
    assert prepare_kernels(tmp_path) == (count, count)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"fingerprint": 1, "files": 2}', b"\xff"])
def test_a_record_that_cannot_be_read_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECORD).write_bytes(content)
    count, loaded = prepare_kernels(tmp_path)
    assert count == loaded


def test_kernels_are_loaded_one_by_one_until_none_is_left() -> None:
    with jit.interpreted():
        assert not jit.load_next()
    assert not any(each.is_bound for each in jit.kernels())
    steps = 0
    while jit.load_next():
        steps += 1
        assert sum(each.is_bound for each in jit.kernels()) == steps
    assert steps == len(jit.kernels())
    assert not jit.load_next()


def test_all_nodes_of_an_installation_share_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed"
    package.mkdir()
    monkeypatch.setattr(jit, "__file__", str(package / "jit.py"))
    assert record_directory(tmp_path) == package / "__pycache__", "made where the environment keeps no bytecode"
    assert (package / "__pycache__").is_dir()
    assert record_directory(tmp_path) == package / "__pycache__"


def test_where_the_installation_cannot_be_written_each_node_has_a_record_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed"
    (package / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(jit, "__file__", str(package / "jit.py"))
    monkeypatch.setattr(kernel_loading.os, "access", lambda _path, _mode: False)
    assert record_directory(tmp_path) == tmp_path
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "a file" / "jit.py"))
    (tmp_path / "a file").write_bytes(b"")
    assert record_directory(tmp_path) == tmp_path, "a directory that cannot be made"
