"""What docs/training.md says is what there is."""

import re
import shlex
import tomllib

from tools.comfy_server import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text()


def test_the_install_line_is_the_extra():
    (line,) = re.findall(r"^pip install (.*)$", PAGE, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(shlex.split(line)) == sorted(project["optional-dependencies"]["train"])


def test_every_command_names_files_that_are_there():
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    modules, configs = (
        re.findall(r"-m ([a-z_.0-9]+)", commands),
        re.findall(r"--config (training/\S+)", commands),
    )
    assert modules and configs
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for config in configs:
        assert (ROOT / config).is_file(), config


def test_the_plot_is_there():
    assert (ROOT / "docs" / "images" / "times.png").is_file()
