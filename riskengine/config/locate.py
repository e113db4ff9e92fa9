"""Where files are: the user's own path first, then what is shipped (inside the wheel, or beside a checkout)."""

from collections.abc import Callable
from pathlib import Path

from riskengine.errors import InputError, UsageError
from riskengine.registry import suggest

_PACKAGE = Path(__file__).resolve().parents[1]

# kind -> folder below the root of what is shipped
FOLDERS = {
    "scenarios": "scenarios",
    "studies": "configs/studies",
    "books": "configs/books",
    "protocols": "configs/protocols",
}
SUFFIXES = (".yaml", ".yml", ".csv")


def shipped_root() -> Path:
    """Folder that holds ``scenarios/`` and ``configs/``: inside the installed package, else beside it in a checkout."""
    inside = _PACKAGE / "_shipped"
    return inside if inside.is_dir() else _PACKAGE.parent


def shipped(kind: str) -> dict[str, Path]:
    """Shipped files of a kind (``scenarios``, ``studies``, ``books``, ``protocols``): name -> file, sorted by name."""
    folder = shipped_root() / FOLDERS[kind]
    files = sorted(f for f in folder.rglob("*") if f.suffix in SUFFIXES)
    return dict(sorted((f.stem, f) for f in files))


def find(kind: str, name: str, beside: Path | None = None, fits: Callable[[Path], bool] | None = None) -> Path:
    """The file that `name` means.

    Parameters
    ----------
    kind : str
        ``scenarios``, ``studies``, ``books`` or ``protocols``.
    name : str
        A path (it has a suffix or a slash), or the name of a shipped file (which has neither).
    beside : Path, optional
        Folder against which a relative path is resolved first (that of the file that holds the name); then the
        working directory.
    fits : callable, optional
        Which shipped files to name where there is none of that name; all by default.

    Raises
    ------
    InputError
        Where there is no such file; the message names the nearest known name.
    """
    if "/" in name or "\\" in name or name.endswith((*SUFFIXES, ".json")):
        for folder in ([beside] if beside is not None else []) + [Path()]:
            if (folder / name).is_file():
                return folder / name
        raise InputError(f"{name}: no such file")
    known = shipped(kind)
    if name in known:
        return known[name]
    known = {known_as: file for known_as, file in known.items() if fits is None or fits(file)}
    noun = {"scenarios": "world", "studies": "study", "books": "book", "protocols": "parameter set"}[kind]
    raise InputError(
        f"{noun} must be a file or one of {', '.join(known) or 'none shipped'}, got {name!r}{suggest(name, known)}"
    )


def anywhere(name: str) -> Path:
    """The file that `name` means, or the shipped one of any kind that has it."""
    if "/" in name or "\\" in name or name.endswith(SUFFIXES) or Path(name).exists():
        return Path(name)
    found = [files[name] for kind in FOLDERS if name in (files := shipped(kind))]
    return found[0] if found else Path(name)


def shipped_file(kind: str, name: str) -> Path:
    """The shipped file called `name`; UsageError where there is none or the kind has no files."""
    if kind not in FOLDERS:
        raise UsageError(f"kind must be one of {', '.join(FOLDERS)}, got {kind!r}{suggest(kind, FOLDERS)}")
    known = shipped(kind)
    if name not in known:
        raise UsageError(f"{kind} must be one of {', '.join(known)}, got {name!r}{suggest(name, known)}")
    return known[name]
