import pytest

from riskengine.report import render


def test_a_full_disk_leaves_no_part_of_a_report(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render.os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        render._replace(tmp_path / "report.html", b"half")
    assert list(tmp_path.iterdir()) == []
