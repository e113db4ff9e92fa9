"""Memory of one block serves the next."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
{imported}

def block():
    first, second = np.empty(3_000_000), np.empty(3_000_000)
    first.fill(1.0)
    second.fill(1.0)

block()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    block()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(imported):
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
    script = SCRIPT.format(imported=imported)
    return int(subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have rules of their own")
def test_blocks_of_paths_are_not_new_pages_each_time():
    assert faults("") > 10_000  # the reason for the rule: two arrays of 24 MB in pages of 4 KB, three times
    assert faults("import riskengine.arrays") < 1_000
