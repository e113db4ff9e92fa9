"""A file of the user's own price paths.

``.npz`` holds arrays: ``spot`` (T + 1, P, A) and, where there are any, ``variance`` of the same shape, ``history_spot``
and ``history_variance`` (H + 1, P, A), the numbers ``step_hours`` and ``history_step_hours``, and the names ``assets``
in the order of the last axis.  ``.npy`` holds ``spot`` alone.  CSV and parquet have one row for each path, step and
asset in the columns ``path, step, asset, spot`` and, where there is one, ``variance``; steps below 0 are the history.
"""

import hashlib
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.data.table import numbers, read_frame
from riskengine.errors import Fault, InputError, refuse_pointer
from riskengine.market.recorded import PathSet
from riskengine.registry import suggest

_ARRAYS = ("spot", "variance", "history_spot", "history_variance")
_NUMBERS = ("step_hours", "history_step_hours")
_COLUMNS = ("path", "step", "asset", "spot")


def load_paths(
    file: Path,
    assets: tuple[str, ...],
    *,
    step_hours: float | None = None,
    history_step_hours: float | None = None,
    origin: dict[str, Any] | None = None,
) -> PathSet:
    """Paths of `assets` from a file.

    Parameters
    ----------
    file : Path
        ``.npz``, ``.npy``, CSV (also ``.gz``) or parquet.
    assets : tuple of str
    step_hours, history_step_hours : float, optional
        Steps of the paths and of their history, where the file does not hold them.
    origin : dict, optional
        Kept in the result.

    Raises
    ------
    InputError
        With every fault: missing or unreadable file, arrays, columns or assets, prices that are not finite and
        positive, paths that start at different prices or are incomplete.
    """
    arrays = file.suffix in (".npz", ".npy")
    parts, digest = _arrays(file, assets) if arrays else _table(file, assets)
    seconds = {}
    for name, given in zip(_NUMBERS, (step_hours, history_step_hours), strict=True):
        hours = parts.pop(name, None)
        if hours is not None and given is not None and hours != given:
            raise InputError(Fault(f"{name} must be the file's {hours:g}, got {given:g}", str(file)))
        hours = given if hours is None else hours
        if hours is None and (name == "step_hours" or "history_spot" in parts):
            raise InputError(Fault(f"{name} must be given: the file does not hold it", str(file)))
        exact = (hours or 0.0) * 3600.0
        if abs(exact - round(exact)) > 1e-6:
            raise InputError(Fault(f"{name} must be a whole number of seconds, got {hours!r}", str(file)))
        seconds[name] = round(exact)
    try:
        return PathSet(
            assets,
            step_seconds=seconds["step_hours"],
            history_step_seconds=seconds["history_step_hours"] if "history_spot" in parts else 0,
            sha256=digest,
            origin=origin or {},
            **parts,
        )
    except ValueError as error:
        raise InputError([Fault(part, str(file)) for part in str(error).split("; ")]) from None


def _arrays(file: Path, assets: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Content of an ``.npz`` or ``.npy`` file, and its hash."""
    name = str(file)
    try:
        content = file.read_bytes()
        refuse_pointer(content, name)
        # no pickles: loading one may run anything
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        found = {"spot": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except FileNotFoundError:
        raise InputError(Fault("no such file", name)) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        form = file.suffix.lstrip(".")
        raise InputError(Fault(f"must be a readable {form} file of numbers, got: {error}", name)) from None
    known = (*_ARRAYS, *_NUMBERS, "assets")
    faults = [
        Fault(f"arrays must be among {', '.join(known)}, got {key!r}{suggest(key, known)}", name)
        for key in found
        if key not in known
    ]
    if "spot" not in found:
        faults.append(Fault(f"spot must be given, got arrays {', '.join(found) or 'none'}", name))
    faults += [
        Fault(f"{key} must hold numbers, got values of type {found[key].dtype}", name)
        for key in (*_ARRAYS, *_NUMBERS)
        if key in found and found[key].dtype.kind not in "fiu"
    ]
    faults += [
        Fault(f"{key} must be one number, got shape {found[key].shape}", name)
        for key in _NUMBERS
        if key in found and found[key].size != 1
    ]
    order = [str(a) for a in np.atleast_1d(found.pop("assets", np.array(assets)))]
    if sorted(order) != sorted(assets):
        faults.append(Fault(f"assets must be {', '.join(assets)}, got {', '.join(order)}", name))
    if faults:
        raise InputError(faults)
    parts: dict[str, Any] = {key: float(found[key].item()) for key in _NUMBERS if key in found}
    for key in _ARRAYS:
        if key in found:
            values = found[key]
            reorder = values.ndim == 3 and values.shape[2] == len(order) and tuple(order) != assets
            parts[key] = values[:, :, [order.index(a) for a in assets]] if reorder else values
    return parts, hashlib.sha256(content).hexdigest()


def _table(file: Path, assets: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Content of a long table, and the hash of its file."""
    frame, digest = read_frame(file)
    name = str(file)
    columns = {str(c).strip().lower(): c for c in frame.columns}
    lost = [c for c in _COLUMNS if c not in columns]
    if lost:
        got = ", ".join(map(str, frame.columns))
        raise InputError(Fault(f"columns {', '.join(_COLUMNS)} must be given, got {got}", name))
    symbols = frame[columns["asset"]].astype(str)
    which = symbols.map({a: i for i, a in enumerate(assets)}).to_numpy(dtype=np.float64)
    path, step = numbers(frame[columns["path"]]), numbers(frame[columns["step"]])
    faults = [
        Fault(f"asset {a} must be in the file, got {', '.join(sorted(set(symbols))[:20])}", name)
        for a in assets
        if not (symbols == a).any()
    ]
    mine = np.isfinite(which)
    for what, values in (("path", path[mine]), ("step", step[mine])):
        off = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values))))
        if off.size:
            faults.append(Fault(f"{what} must hold whole numbers, got {values[off[0]]:g}", name))
    if faults:
        raise InputError(faults)
    which, path, step = which[mine].astype(np.int64), path[mine].astype(np.int64), step[mine].astype(np.int64)
    paths, place = np.unique(path, return_inverse=True)
    first, last = min(0, int(step.min())), int(step.max())
    shape = (last - first + 1, paths.size, len(assets))
    if math.prod(shape) != which.size:
        raise InputError(
            Fault(
                f"rows must be one for each of {shape[0]} steps ({first} to {last}), {shape[1]} paths and {shape[2]} "
                f"assets, {math.prod(shape)} in all, got {which.size}",
                name,
            )
        )
    parts: dict[str, Any] = {}
    for key in ("spot", "variance"):
        if key not in columns:
            continue
        whole = np.full(shape, np.nan)
        whole[step - first, place, which] = numbers(frame[columns[key]])[mine]
        parts[key] = whole[-first:]
        if first < 0:
            parts[f"history_{key}"] = whole[: 1 - first]
    return parts, digest
