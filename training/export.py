"""`python -m training.export runs/flux/dual_lora.safetensors`: its branches as two ordinary LoRA files.

Any Load LoRA reads them, and then they act on all tokens; MUSAR Dual LoRA takes them as subject_lora and
noise_lora, and draws what it draws with the one file.

`python -m training.export runs/flux/checkpoint.safetensors`: the dual LoRA of a run that is not finished, as
far as it has come.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import SafetensorError, safe_open

from musar_attention.lora import BRANCHES, FORMAT
from tools.whole_file import save_whole

AVERAGE = "average|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lora", type=Path, help="what training wrote")
    parser.add_argument("--output", type=Path, help="folder; the file's own if it is left out")
    args = parser.parse_args()
    try:
        for file in export(args.lora, args.output or args.lora.parent):
            print(file)
    except ValueError as error:
        raise SystemExit(f"export: {error}") from None


def export(lora: Path, folder: Path) -> list[Path]:
    """The files, in the order of the branches; of a checkpoint the one."""
    try:
        with safe_open(lora, "pt") as file:
            if any(name.startswith(AVERAGE) for name in file.keys()):
                return [_unfinished(lora, folder)]
            state = {name: file.get_tensor(name) for name in file.keys()}
            facts = {name: v for name, v in (file.metadata() or {}).items() if name != FORMAT}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{lora} cannot be read as safetensors ({error}). Give the file of a run.") from None
    files = []
    for branch in BRANCHES:
        start = f"{branch}."
        part = {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}
        if part:
            files.append(folder / f"{lora.stem}_{branch}.safetensors")
            folder.mkdir(parents=True, exist_ok=True)
            save_whole(part, files[-1], facts | {"musar_branch": branch})
    if not files:
        raise ValueError(
            f"{lora} has no branches ({' and '.join(BRANCHES)}): it is an ordinary LoRA already. Give the "
            "dual_lora.safetensors of a run."
        )
    return files


def _unfinished(checkpoint: Path, folder: Path) -> Path:
    from .run.checkpoint import load_checkpoint  # with the rest of what training needs
    from .train import LORA, write_lora

    tensors, facts = load_checkpoint(checkpoint)
    if not facts.get("config"):
        raise ValueError(f"{checkpoint} is of an earlier version, which did not write its settings into it.")
    average = {n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(AVERAGE)}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{Path(LORA).stem}_step_{facts['step']:06}.safetensors"
    write_lora(average, facts["config"], facts["step"], facts["seconds"], file)
    return file


if __name__ == "__main__":
    main()
