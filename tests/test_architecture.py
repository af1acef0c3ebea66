"""The house's rules, read from the sources: who may include what, and where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

root = Path(__file__).parents[1]
cpp = root / "cpp"
if not cpp.is_dir():
    pytest.skip("the C++ sources are not beside the tests", allow_module_level=True)

# From the top down; rooms of one stair may see one another.
staircase = [
    {"bindings"},
    {"objective"},
    {"trainer", "weights_phase", "propagation", "predictor"},
    {"pass", "pass_memory", "stored_gradient", "optimizer_state"},
    {"partition", "row_source"},
    {"network"},
    {"layers"},
    {"activations", "losses", "criterion", "optimizers"},
    {"kernels", "parallel", "crowding", "short_calls", "random"},
    {"types", "family"},
]
stairs = {room: stair for stair, rooms in enumerate(staircase) for room in rooms}
suffixes = {".cpp", ".hpp", ".h", ".cc", ".inl", ".ipp"}
sources = sorted(path for path in cpp.rglob("*") if path.suffix in suffixes)
each_source = pytest.mark.parametrize(
    "path", sources, ids=[str(path.relative_to(cpp)) for path in sources]
)


def room(path):
    """Return the name of the room that a file of the library belongs to."""
    parts = path.relative_to(cpp).parts
    return parts[1].split(".")[0] if parts[0] == "fastmlp" else parts[0]


def included(path):
    """Return the files of this project that a file includes."""
    names = re.findall(
        r'^\s*#\s*include\s*[<"]([^>"]+)', path.read_text(), re.MULTILINE
    )
    bases = (path.parent, cpp, cpp / "fastmlp")
    found = [[b / name for b in bases if (b / name).is_file()] for name in names]
    return [files[0].resolve() for files in found if files]


def test_the_sources_are_here():
    rooms = {room(path) for path in sources}
    assert set(stairs) <= rooms, "the staircase names rooms that do not exist"
    assert any(included(path) for path in sources)


@each_source
def test_includes_go_down_the_stairs(path):
    if path.parent == cpp:
        assert not included(path), "extensions of their own need nothing of the library"
        return
    assert room(path) in stairs, "a new room needs a stair"
    for other in included(path):
        assert stairs[room(path)] <= stairs[room(other)], other.name


@each_source
def test_python_is_known_to_the_bindings_only(path):
    if "fastmlp" in path.relative_to(cpp).parts:
        assert not re.search(r"pybind11|\bPy_|Python\.h|\bGIL\b", path.read_text())
    if room(path) != "bindings" and path.parent != cpp:  # an extension of its own
        assert "pybind11" not in path.read_text()


@each_source
def test_openmp_is_known_to_parallel_only(path):
    if room(path) != "parallel":
        assert not re.search(r"#\s*pragma\s+omp|_Pragma\(\s*\"omp", path.read_text())


@each_source
def test_files_are_short_and_say_what_they_hold(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 350
    assert max(map(len, lines)) <= 120
    opening = []
    for line in lines:
        if not line.startswith("//"):
            break
        opening.append(line.lstrip("/ "))
    assert re.search(r"(\w+\W+){3,}", " ".join(opening)), "no opening sentence"


@pytest.mark.parametrize("name", ["CMakeLists.txt", "pyproject.toml"])
def test_no_flag_changes_arithmetic(name):
    """Comments may name what is forbidden."""
    text = re.sub(r"#.*", "", (root / name).read_text())
    assert len(text) > 100
    assert not re.search(r"fast-math|-Ofast|march=native|ffp-contract=fast", text)


def test_no_source_changes_arithmetic():
    for path in sources:
        text = re.sub(r"//.*", "", path.read_text())
        assert not re.search(r"fast-math|fp_contract|GCC optimize|_MM_SET_", text)
