"""A run killed outright in the middle, then resumed."""

import os
import signal
import subprocess
import sys
import time

from riskengine.cli.main import main


def test_kill_dash_nine_then_resume_gives_the_same_bytes(small_study, tmp_path, capsys):
    words = ["run", str(small_study), "--paths", "3000", "--workers", "1", "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*words, str(whole)]) == 0

    child = subprocess.Popen(
        [sys.executable, "-m", "riskengine", *words, str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    deadline = time.monotonic() + 120
    while not list(killed.glob("blocks/*.block")):
        assert child.poll() is None and time.monotonic() < deadline, "the run must write blocks as it goes"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (killed / "result.json").exists(), "the kill came too late to interrupt anything"

    assert main([*words, str(killed), "--resume"]) == 0
    capsys.readouterr()
    names = sorted(f.name for f in (whole / "blocks").iterdir())
    assert sorted(f.name for f in (killed / "blocks").iterdir()) == names
    for name in ("result.json", "report.html", "report.md", *(f"blocks/{n}" for n in names)):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
