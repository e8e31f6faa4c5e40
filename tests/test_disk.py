"""Programs on disk: equal models with and without them, whatever is wrong with the files."""

import errno
import json
import os
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from helpers import PACKAGE, TIME_LIMIT, run_python, running_python
from skdense.__main__ import main
from skdense.core.formulas.layers import Dense, hidden_and_output
from skdense.core.machine import disk
from skdense.core.machine.disk import ProgramCode
from skdense.core.machine.lazy_import import TESTED
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Spec
from skdense.core.program.epochs import training_program
from skdense.core.program.layout import Layout

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")

FITS = """
import json, logging, os, sys, warnings
import numpy as np

class Log(logging.Handler):
    def emit(self, record):
        messages.append(record.msg % record.args)

messages = []
logging.getLogger("skdense").addHandler(Log())
logging.getLogger("skdense").setLevel("DEBUG")
warnings.simplefilter("ignore")

def fit_all(kinds):
    from scipy.sparse import csr_matrix
    from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    y = X[:, 0] + X[:, 1] ** 2 + rng.normal(size=120)
    settings = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}
    fits = {
        "adam": (LowLevelMLPClassifier(**settings, early_stopping=True, dropout=0.1), X, y > 1),
        "sgd": (LowLevelMLPRegressor(**settings, solver="sgd", dtype="float32"), csr_matrix(X), y),
        "lbfgs": (LowLevelMLPRegressor(**settings, solver="lbfgs"), X, y),
    }
    models = {kind: model.fit(X, y) for kind, (model, X, y) in fits.items() if kind in kinds}
    return {kind: [a.tolist() for a in m.coefs_ + m.intercepts_] for kind, m in models.items()}

def counted():
    words = "is taken from disk", "is kept in", "is damaged", "cannot use", "is not kept"
    return {word: sum(word in message for message in messages) for word in words}

def show(kinds=("adam", "sgd", "lbfgs"), **more):
    models = fit_all(kinds)
    print(json.dumps({"models": models, "counts": counted()} | more))
"""
N_PROGRAMS = 3


def fits(folder, program="show()", **environment):
    """What a process prints last that fits models, and which writes nothing to stderr."""
    output = run_python(FITS + program, SKDENSE_CACHE_DIR=str(folder), **environment)
    return json.loads(output.splitlines()[-1])


FIRST = """
import runpy
import skdense
runpy.run_module("skdense", run_name="__main__")
before = "tensorflow" in sys.modules, os.path.exists(os.environ["SKDENSE_CACHE_DIR"])
kept, counts = fit_all(["adam", "sgd", "lbfgs"]), counted()

from skdense.core.machine import compiling
compiling.programs.clear()
os.environ["SKDENSE_CACHE_DIR"] = ""
messages.clear()
show(before=before, kept=kept, counts_of_kept=counts)
"""
LATER = """
os.chdir({folder!r})
sys.path[:] = [{folder!r}, *(path for path in sys.path if path)]
models, counts = fit_all(["adam", "sgd", "lbfgs"]), counted()
modules = [name for name in sys.modules if name.startswith("tensorflow")]
print(json.dumps({{"models": models, "counts": counts, "modules": modules}}))
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder, and what the process saw that has filled it and then fitted without it."""
    folder = tmp_path_factory.mktemp("kept") / "programs"
    return folder, fits(folder, FIRST)


@pytest.fixture(scope="module")
def later(first, tmp_path_factory):
    """What a process saw that uses this folder, with other hash seed, working folder and package."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "skdense").symlink_to(PACKAGE)
    before = {path: path.stat().st_ino for path in paths(first[0])}
    seen = fits(first[0], LATER.format(folder=str(elsewhere)), PYTHONHASHSEED="7")
    assert {path: path.stat().st_ino for path in paths(first[0])} == before
    return seen


@pytest.fixture(scope="module")
def compiled_without(first):
    """The models of a process that keeps no programs."""
    return first[1]["models"]


@pytest.fixture
def copied(first, tmp_path):
    """A copy of the folder, to be spoiled."""
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    for path in first[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def paths(folder):
    return sorted(path for path in folder.glob("skdense_*.program") if path.is_file())


# --- between processes -------------------------------------------------------------------------------


def test_neither_an_import_nor_a_command_imports_tensorflow_or_writes(first):
    assert first[1]["before"] == [False, False]


def test_a_process_keeps_what_it_compiles_unless_told_not_to(first):
    folder, seen = first
    assert seen["kept"] == seen["models"]
    assert seen["counts_of_kept"]["is kept in"] == len(paths(folder)) == N_PROGRAMS
    assert seen["counts_of_kept"]["is taken from disk"] == 0
    assert set(seen["counts"].values()) == {0}


def test_a_later_process_elsewhere_neither_traces_nor_compiles(later, compiled_without):
    assert later["models"] == compiled_without
    assert later["counts"]["is taken from disk"] == sum(later["counts"].values()) == N_PROGRAMS
    tracing = "backprop", "def_function", "polymorphic_function", "while_v2", "control_flow_ops"
    assert not [name for name in later["modules"] if name.endswith(tracing)]


FUNCTIONS_OF_THE_USER = """
import resource
from skdense import LowLevelMLPRegressor
from skdense.core.machine import compiling
from skdense.core.machine.tensorflow import tf

first = fit_all(['lbfgs'])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for factor in range(3):
    tf.function(lambda x: factor * x, jit_compile=True)(tf.constant(1.0))
left = tf.io.gfile.listdir("ram://skdense")
compiling.programs.clear()
messages.clear()
large = np.linspace(0, 1, 5_000_000).reshape(-1, 10)  # used where it lies
model = LowLevelMLPRegressor(hidden_layer_sizes=(2,), max_iter=1, batch_size=5000, random_state=0)
flags, loss = os.environ.get("TF_XLA_FLAGS"), model.fit(large, large[:, 0]).loss_
show(["lbfgs"], first=first, left=left, flags=flags, loss=loss)
"""


def test_functions_are_kept_without_executables_which_are_added_and_those_of_the_user_are_not(
    copied, compiled_without
):
    """The first process has imported TensorFlow before, and so hands no executables over.

    In the second, functions of the user's are compiled, and each fit removes what they leave. Then its
    files may have 1,000 bytes, as on a disk that is full, which makes no fit fail. Neither takes what
    was kept by a process with another number of threads.
    """
    before, one_thread = set(paths(copied)), {"LOKY_MAX_CPU_COUNT": "1"}
    of_user = "import tensorflow; tensorflow.config.run_functions_eagerly(True)\n"
    program = FITS + of_user + "show(['lbfgs'])"
    with running_python(program, SKDENSE_CACHE_DIR=str(copied), **one_thread) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert json.loads(output.splitlines()[-1])["models"]["lbfgs"] == compiled_without["lbfgs"], errors
    [kept] = {*paths(copied)} - before
    assert b"_XlaMustCompile" in kept.read_bytes()
    size = kept.stat().st_size

    seen = fits(copied, FUNCTIONS_OF_THE_USER, **one_thread)

    assert seen["first"] == seen["models"] == {"lbfgs": compiled_without["lbfgs"]}
    assert kept.stat().st_size > size
    assert seen["left"] == []
    assert seen["flags"] is None
    assert len(paths(copied)) == N_PROGRAMS + 1
    assert (seen["counts"]["is taken from disk"], seen["counts"]["is kept in"]) == (1, 0)
    large = np.linspace(0, 1, 5_000_000).reshape(-1, 10)
    theirs = MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, batch_size=5000, random_state=0)
    assert seen["loss"] == pytest.approx(theirs.fit(large, large[:, 0]).loss_)


def test_flags_of_the_user_are_left_alone(copied, compiled_without):
    """TensorFlow reads them once in a process. With them, executables are not handed over."""
    program = """
models = fit_all(["lbfgs"])
from skdense.core.machine.tensorflow import tf
flags = os.environ["TF_XLA_FLAGS"]
print(json.dumps({"models": models, "flags": flags, "folder": tf.io.gfile.exists("ram://skdense")}))
"""
    seen = fits(copied, program, TF_XLA_FLAGS="--tf_xla_min_cluster_size=5")
    assert seen["models"]["lbfgs"] == compiled_without["lbfgs"]
    assert seen["flags"] == "--tf_xla_min_cluster_size=5"
    assert not seen["folder"]


# --- what is wrong with files ------------------------------------------------------------------------


def test_files_that_are_of_no_use_are_removed_and_compiled_again(copied, compiled_without):
    """One has a flipped bit, and one is another program.

    TensorFlow refuses the third, as if a process with the right digest had written another program.
    """
    flipped, other, refused = paths(copied)
    other.write_bytes(flipped.read_bytes())
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    program = disk.decoded(refused.read_bytes())
    half = program.executable[: len(program.executable) // 2]
    refused.write_bytes(disk.encoded(program._replace(executable=half)))
    seen = fits(copied)
    assert seen["models"] == compiled_without
    assert seen["counts"]["is damaged"] == seen["counts"]["is kept in"] == 2
    assert seen["counts"]["cannot use"] == 1
    assert paths(copied) == [flipped, other]


PROGRAM = ProgramCode("skdense_name", 2, b"functions\n", "entry", b"executable")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "programs"


@pytest.fixture(autouse=True)
def _no_exchange(monkeypatch):
    monkeypatch.setattr(disk, "_gfile", None)


def test_what_is_saved_is_loaded(folder):
    disk.save(folder, PROGRAM)
    assert disk.load(folder, "skdense_name") == PROGRAM
    assert disk.load(folder, "skdense_other") is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc")


def test_several_may_save_and_load_a_program_at_once(folder):
    def save_and_load(_):
        disk.save(folder, PROGRAM)
        return disk.load(folder, "skdense_name")

    with ThreadPoolExecutor(8) as threads:
        assert set(map(repr, threads.map(save_and_load, range(200)))) == {repr(PROGRAM)}
    assert len(paths(folder)) == 1
    assert not list(folder.glob(".*"))


def test_no_byte_of_a_file_may_change(folder):
    disk.save(folder, PROGRAM)
    [path] = paths(folder)
    data = path.read_bytes()
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert disk.load(folder, "skdense_name") is None
        assert not path.exists()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert disk.load(folder, "skdense_name") is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(folder, mode):
    disk.save(folder, PROGRAM)
    folder.chmod(mode)
    assert disk.load(folder, "skdense_name") is None
    disk.save(folder, PROGRAM._replace(function="skdense_other"))
    assert len(paths(folder)) == 1


def test_a_link_or_a_file_in_the_place_of_the_folder_is_not_used(folder, tmp_path):
    disk.save(folder, PROGRAM)
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(folder)
    file.write_bytes(b"")
    for place in (link, file, file / "below"):
        assert disk.load(place, "skdense_name") is None
        disk.save(place, PROGRAM._replace(function="skdense_other"))
    assert len(paths(folder)) == 1


def test_a_link_to_a_folder_stands_for_it(folder, tmp_path, monkeypatch):
    """As `~/.cache` on a cluster. If the link changes later, it is not followed again."""
    link = tmp_path / "link"
    link.symlink_to(folder)
    for variable, value in (("SKDENSE_CACHE_DIR", link), ("XDG_CACHE_HOME", tmp_path)):
        monkeypatch.delenv("SKDENSE_CACHE_DIR", raising=False)
        monkeypatch.setenv(variable, str(value))
        link = link if variable == "SKDENSE_CACHE_DIR" else link.rename(tmp_path / "skdense")
        assert disk.folder_for(tf.__version__) == (folder, "")


def test_a_folder_that_cannot_be_written_is_read(folder, monkeypatch):
    disk.save(folder, PROGRAM)

    def refuse(*_, **__):
        raise PermissionError

    for module, function in ((os, "utime"), (os, "unlink"), (Path, "write_bytes")):
        monkeypatch.setattr(module, function, refuse)
    assert disk.load(folder, "skdense_name") == PROGRAM
    disk.save(folder, PROGRAM._replace(function="skdense_other"))
    assert len(paths(folder)) == 1


def test_the_folder_is_bounded_and_what_was_used_lately_stays(folder, monkeypatch):
    monkeypatch.setattr(disk, "MOST_BYTES", 3 * len(disk.encoded(PROGRAM)))
    for number in range(3):
        disk.save(folder, PROGRAM._replace(function=f"skdense_{number}"))
        os.utime(folder / f"skdense_{number}.program", (number, number))
    left_over, foreign = folder / "skdense_killed.program", folder / "thesis.program"
    (folder / "skdense_folder.program").mkdir()
    for path in (left_over, foreign):
        path.write_bytes(b"half")
        os.utime(path, (0, 0))
    assert disk.load(folder, "skdense_0") is not None
    disk.save(folder, PROGRAM)
    assert [path.stem for path in paths(folder)] == ["skdense_0", "skdense_2", "skdense_name"]
    assert not left_over.exists()
    assert foreign.exists()
    monkeypatch.setattr(disk, "MOST_BYTES", (folder / "skdense_name.program").stat().st_size)
    disk.save(folder, PROGRAM)
    assert [path.stem for path in paths(folder)] == ["skdense_name"]
    assert time.time() - paths(folder)[0].stat().st_mtime < TIME_LIMIT


# --- where and under which name ----------------------------------------------------------------------

VERSION = TESTED[0] + "0"


def test_the_folder_is_where_the_user_or_xdg_says(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("SKDENSE_CACHE_DIR", raising=False)
    for version in TESTED:
        assert disk.folder_for(f"{version}0rc0") == (tmp_path / ".cache/skdense", "")
    assert disk.folder_for("1.0") == (None, "TensorFlow 1.0 is not tested")
    assert disk.folder_for("") == (None, "TensorFlow is not installed")
    no_home = None, "none of HOME, XDG_CACHE_HOME and SKDENSE_CACHE_DIR names a folder"
    for home in ("", "/", "relative"):
        monkeypatch.setenv("HOME", home)
        assert disk.folder_for(VERSION) == no_home
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert disk.folder_for(VERSION) == no_home
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert disk.folder_for(VERSION) == (tmp_path / "xdg/skdense", "")
    monkeypatch.setattr(sys, "platform", "darwin")
    folder, reason = disk.folder_for(VERSION)
    assert folder is None
    assert reason.startswith("this is tested on Linux only")
    monkeypatch.setenv("SKDENSE_CACHE_DIR", str(tmp_path / "given"))
    assert disk.folder_for(VERSION) == (tmp_path / "given", "")
    assert disk.folder_for("1.0") == (None, "TensorFlow 1.0 is not tested")
    monkeypatch.setenv("SKDENSE_PLAIN_TENSORFLOW", "1")
    assert disk.folder_for(VERSION) == (None, "SKDENSE_PLAIN_TENSORFLOW is set")
    monkeypatch.delenv("SKDENSE_PLAIN_TENSORFLOW")
    monkeypatch.setenv("SKDENSE_CACHE_DIR", "")
    assert disk.folder_for(VERSION) == (None, "SKDENSE_CACHE_DIR is empty")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setenv("SKDENSE_CACHE_DIR", "relative")
    assert disk.folder_for(VERSION)[0] == tmp_path / "gone/relative"
    (tmp_path / "gone").rmdir()
    folder, reason = disk.folder_for(VERSION)
    assert folder is None
    assert "'relative', and the working directory does not exist" in reason


LAYOUT = Layout(hidden_and_output([8], "relu", 1), 8)
KEY = training_program, Spec("binary", "log_loss", "adam", "float64"), LAYOUT


def test_each_part_of_a_key_gives_another_name(monkeypatch):
    keys = {
        KEY,
        (KEY[0], KEY[1]._replace(solver="sgd"), LAYOUT),
        (KEY[0], KEY[1]._replace(smooths=True), LAYOUT),
        (*KEY[:2], replace(LAYOUT, n_features=16)),
        (*KEY[:2], Layout((Dense(8, "tanh"), Dense(1)), 8)),
        (*KEY, None),
    }
    names = {disk.name_of(key, "2.21.0", 2) for key in keys}
    names |= {disk.name_of(KEY, "2.21.1", 2), disk.name_of(KEY, "2.21.0", 1)}
    for variable in ("XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS"):
        disk._machine.cache_clear()
        monkeypatch.setenv(variable, "1")
        names.add(disk.name_of(KEY, "2.21.0", 2))
    assert len(names) == len(keys) + 2 + 3
    disk._machine.cache_clear()


def test_a_change_of_the_sources_or_the_processor_gives_another_name(monkeypatch, tmp_path):
    def names():
        disk._machine.cache_clear()
        return disk.name_of(KEY)

    before = names()
    (tmp_path / "edited.py").write_text("after the import")
    with monkeypatch.context() as edited:
        edited.setattr(disk, "_CORE", tmp_path)
        assert disk.name_of(KEY) is None
    (tmp_path / "edited.py").unlink()
    monkeypatch.setattr(disk, "_IMPORTED", np.inf)
    (tmp_path / "formula.py").write_text("a")
    monkeypatch.setattr(disk, "_CORE", tmp_path)
    changed = [names()]
    (tmp_path / "formula.py").write_text("b")
    changed.append(names())
    (tmp_path / "formula.py").rename(tmp_path / "other.py")
    changed.append(names())
    monkeypatch.setattr(disk.platform, "machine", lambda: "another")
    changed.append(names())
    assert len({before, *changed}) == 5
    (tmp_path / "other.py").unlink()
    assert names() is None
    disk._machine.cache_clear()


def test_programs_of_code_outside_of_the_package_are_not_kept():
    class Layer(Dense):
        pass

    def make():
        pass

    assert disk.name_of(KEY) is not None
    assert disk.name_of((make, *KEY[1:])) is None
    assert disk.name_of((*KEY[:2], Layout((Layer(8), Dense(1)), 8))) is None


def test_programs_are_not_kept_where_numpy_does_not_tell_the_features_of_the_processor(monkeypatch):
    disk._machine.cache_clear()
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert disk.name_of(KEY) is None


# --- controls ----------------------------------------------------------------------------------------


def test_a_program_that_vanishes_is_not_counted(folder, monkeypatch):
    """Another process may remove files of the folder at any time."""
    disk.save(folder, PROGRAM)
    disk.save(folder, PROGRAM._replace(function="skdense_other"))
    lstat = Path.lstat

    def vanishing(path):
        if path.name == "skdense_other.program":
            path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert [path.name for *_, path in disk.files(folder)] == ["skdense_name.program"]


def test_a_command_shows_and_clears_the_folder(folder, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["skdense", *options])
        main()
        return capsys.readouterr().out

    monkeypatch.setenv("SKDENSE_CACHE_DIR", str(folder))
    assert "0 programs" in run()
    disk.save(folder, PROGRAM)
    assert f"Kept in {folder}: 1 program, " in run()
    (folder / "thesis.program").write_text("not ours")
    (folder / "skdense_folder.program").mkdir()
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SystemExit, match="Read-only"):
        run("--clear")
    monkeypatch.undo()
    monkeypatch.setenv("SKDENSE_CACHE_DIR", str(folder))
    assert f"Removed from {folder}: 1 program, " in run("--clear")
    assert not paths(folder)
    assert (folder / "thesis.program").exists()
    folder.chmod(0o777)
    assert "others may write to" in run()
    with pytest.raises(SystemExit, match="cannot be removed: others may write to"):
        run("--clear")
    monkeypatch.setenv("SKDENSE_CACHE_DIR", "")
    assert "Programs are not kept: SKDENSE_CACHE_DIR is empty." in run()
