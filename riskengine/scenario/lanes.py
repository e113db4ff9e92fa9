"""What every path kernel does with its lanes: mix normals, write prices, anchor a history at time 0."""

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.random import Purpose
from riskengine.vecmath import exp, fma

# beyond this a price leaves the range of float64; the path is marked, not clipped
_LOG_LIMIT = 700.0

FORWARD = np.array(
    [
        Purpose.DIFFUSION,
        Purpose.JUMP_TIME,
        Purpose.JUMP_SIZE,
        Purpose.COMMON_JUMP_TIME,
        Purpose.COMMON_JUMP_SIZE,
        Purpose.VARIANCE_JUMP,
        Purpose.COMMON_VARIANCE_JUMP,
    ],
    dtype=np.int64,
)
HISTORY = np.array(
    [
        Purpose.HISTORY_DIFFUSION,
        Purpose.HISTORY_JUMP_TIME,
        Purpose.HISTORY_JUMP_SIZE,
        Purpose.HISTORY_COMMON_JUMP_TIME,
        Purpose.HISTORY_COMMON_JUMP_SIZE,
        Purpose.HISTORY_VARIANCE_JUMP,
        Purpose.HISTORY_COMMON_VARIANCE_JUMP,
    ],
    dtype=np.int64,
)


@kernel
def mix_lanes(z, mix):
    """Replace independent normals ``z`` (A, LANES) by ``mix @ z``; ``mix`` is lower triangular, so in place."""
    wide_vectors()
    for i in range(z.shape[0] - 1, -1, -1):
        own = mix[i, i]
        for k in range(z.shape[1]):
            z[i, k] = own * z[i, k]
        for j in range(i):
            weight = mix[i, j]
            if weight != 0.0:
                for k in range(z.shape[1]):
                    z[i, k] = fma(weight, z[j, k], z[i, k])


@kernel
def write_prices(out, x, bad, spot):
    """Write ``spot * exp(x)`` for the first ``out.size`` lanes; mark lanes whose log-price left the range."""
    wide_vectors()
    for i in range(out.size):
        out[i] = spot * exp(x[i])
        bad[i] = bad[i] if abs(x[i]) < _LOG_LIMIT else 1.0


@kernel
def write_lanes(out, x):
    """Write the first ``out.size`` lanes as they are."""
    wide_vectors()
    for i in range(out.size):
        out[i] = x[i]


@kernel
def anchor(out, bad, spot):
    """Turn log-prices (steps, lanes) into prices whose last row is exactly `spot`; mark lanes that left the range."""
    wide_vectors()
    last = out.shape[0] - 1
    for t in range(last + 1):
        for i in range(out.shape[1]):
            x = out[t, i] - out[last, i]
            bad[i] = bad[i] if abs(x) < _LOG_LIMIT else 1.0
            if t < last:
                out[t, i] = spot * exp(x)
    for i in range(out.shape[1]):
        out[last, i] = spot
