"""The benchmarks' cases run, at a small size: nothing is timed."""

import torch

from benchmarks import cached, record


def test_flux2_with_kept_keys(monkeypatch):
    monkeypatch.setattr(cached, "HIDDEN", 128)
    monkeypatch.setattr(cached, "HEADS", 1)
    with torch.inference_mode():
        bench = cached.Bench(torch.device("cpu"), 64)
        for some, kept, routed in cached.WAYS.values():
            run = bench.step(2 * some, kept, routed)
            run(), run()


def test_the_record_of_a_run(monkeypatch):
    for name, value in {"HIDDEN": 128, "HEADS": 1, "SIDE": 64, "REFERENCE": 32}.items():
        monkeypatch.setattr(record, name, value)
    with torch.inference_mode():
        bench = record.Bench(record.load_pack(), torch.device("cpu"))
        bench.step(2, True)()
    assert bench.blocks.spent and bench.steps.spent
