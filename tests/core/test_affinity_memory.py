"""S* at 1024² without the n × m scores that Eq. 2 speaks of."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCORES = 24 * 4096 * 512 * 4  # bytes of float32 [1,24,4096,512]: 201 MB

SCRIPT = """
import sys
import torch
from musar_attention import SubjectTokens, TokenLayout, affinity

HEADS, DEPTH = 24, 128


def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field):
            return int(line.split()[1]) * 1024


def equations(q, k, layout):
    scores = torch.einsum("bhnd,bhmd->bhnm", q[:, :, layout.X], k[:, :, layout.T]) / DEPTH**0.5
    return scores.softmax(-1)[..., :3].mean((1, 3))


def run(function, side, prompt):
    subjects = tuple(SubjectTokens((1, 1), (3 * i, 3 * i + 1, 3 * i + 2)) for i in range(4))
    layout = TokenLayout(prompt, (side, side), subjects)
    q, k = torch.randn(2, 1, HEADS, layout.length, DEPTH)
    open("/proc/self/clear_refs", "w").write("5")  # VmHWM starts again from here
    before = memory("VmRSS")
    function(q, k, layout)
    return memory("VmHWM") - before


function = {"affinity": affinity, "equations": equations}[sys.argv[1]]
run(function, 8, 16)  # libraries and threads come first
print(run(function, 64, 512))
"""


def peak(function):
    """Bytes a process of its own needed beyond q and k."""
    command = [sys.executable, "-c", SCRIPT, function]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def test_a_third_of_the_scores_is_plenty():
    assert peak("affinity") < SCORES / 3


def test_the_equations_as_written_would_show():
    """The measurement sees what it has to see."""
    assert peak("equations") > SCORES
