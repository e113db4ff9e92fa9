"""Keeps numpy's matrix library on one thread; import it before numpy.

Its idle threads spin for a while after a product.  CPU time counts them, both in the numpy baseline and in whatever
runs next, so ratios of one-thread time would be wrong on both sides.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"
