"""The installed package, away from the repository: the wheel has all it needs."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
from conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's content in a folder of its own; what it depends on comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        folder,
        ROOT,
    ]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("mt-*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "site", wheel], check=True
    )
    return folder


def test_the_wheel_has_every_package():
    """An editable install would find a forgotten one in the repository."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "mt").rglob("__init__.py")}
    assert set(listed) == found | {"mt.conf", "mt.demo"}


def run(installed, *arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(installed / "site")}
    return subprocess.run(
        [sys.executable, "-m", "mt", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_works_from_another_folder(installed, tmp_path):
    assert (installed / "site" / "mt" / "py.typed").is_file()
    assert (installed / "site" / "mt" / "demo" / "train.zh").is_file()
    composed = run(installed, "train", "--cfg", "job", folder=tmp_path)
    assert composed.returncode == 0, composed.stderr
    assert "pkg://mt.demo/train" in composed.stdout
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nname: mine\ntraining:\n  max_steps: 2\n"
    )
    small = [
        "model.d_model=32",
        "model.d_ff=64",
        "model.n_encoder_layers=1",
        "model.n_decoder_layers=1",
        "data.test=null",
        "data.valid=pkg://mt.demo/probe",
    ]
    trained = run(installed, "train", "--config-dir", "conf", "experiment=mine", *small, folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == ""
    translated = run(installed, "translate", "runs/mine", "你好。", "", folder=tmp_path)
    assert translated.returncode == 0, translated.stderr
    assert len(translated.stdout.splitlines()) == 2
    assert run(installed, "--help", folder=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_checkout_works_without_an_editable_installation(installed, tmp_path):
    """As under `torchrun -m mt` in the checkout after `pip install .`: the package is that of the working folder."""
    checkout = tmp_path / "checkout"
    for name in ("mt", "conf", "data"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f)]; from mt import cli; "
    command = [sys.executable, "-c", code + "sys.exit(cli.run(sys.argv[1:]))", "train", "training.max_steps=1"]
    small = ["model.d_model=32", "model.n_encoder_layers=1", "model.n_decoder_layers=1", "tokenizer.vocab_size=null"]
    text = ["data.train=pkg://mt.demo/probe", "data.valid=pkg://mt.demo/probe", "data.test=null"]
    outcome = subprocess.run([*command, *small, *text], cwd=checkout, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def pins(name):
    """Return what a file of requirements pins, and the number of hashes of each pin."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return {line.split()[0]: line.count("--hash=sha256:") for line in lines}


def test_everything_but_torch_is_pinned_with_hashes():
    everything = {pin for pin in pins("constraints.txt") if not pin.startswith("torch==")}
    with_tools, alone = pins("requirements-dev.txt"), pins("requirements.txt")
    assert set(with_tools) == everything  # otherwise: make constraints
    assert set(alone) < everything
    assert all({**with_tools, **alone}.values())
    needed = [one for one in metadata.requires("mt") if "extra ==" not in one]
    names = {re.match(r"[\w-]+", one)[0] for one in needed}
    assert names - {re.match(r"[\w-]+", pin)[0] for pin in alone} == {"torch"}
