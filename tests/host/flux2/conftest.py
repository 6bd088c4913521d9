"""The fixtures of FLUX.1's tests, on FLUX.2: a test that takes them runs on either."""

import inspect

import pytest
from safetensors.torch import save_file

from tools.tiny_flux2 import flux2_vae_weights, flux2_weights, mistral_weights, qwen_weights

from ..making import conditions, loader, sampler


@pytest.fixture(scope="session")
def load_flux(call, files):
    return loader(call, files, flux2_weights, "flux2")


@pytest.fixture(scope="session")
def flux(load_flux):
    """As klein."""
    return load_flux()


@pytest.fixture(scope="session")
def dev(load_flux):
    return load_flux(guidance=True, seed=5)


@pytest.fixture(scope="session")
def vae(call, files):
    save_file(flux2_vae_weights(), files.vae / "flux2.safetensors")
    return call("VAELoader", vae_name="flux2.safetensors")[0]


@pytest.fixture(scope="session")
def load_clip(call, files):
    def load(name, weights):
        save_file(weights, files.text_encoders / name)
        return call("MusarDemoTextEncoder", text_encoder=name)[0]

    return load


@pytest.fixture(scope="session")
def clip(load_clip):
    """Qwen3, as klein has it."""
    return load_clip("qwen.safetensors", qwen_weights())


@pytest.fixture(scope="session")
def mistral(load_clip):
    """mistral(texts): Mistral 3, as dev has it, with a vocabulary of bytes and of these words."""
    from transformers.integrations import mistral

    patch = pytest.MonkeyPatch()
    if "vocab" not in inspect.signature(mistral.MistralConverter.__init__).parameters:
        patch.setattr(mistral, "MistralConverter", _as_the_host_calls_it(mistral.MistralConverter))
    yield lambda texts: load_clip("mistral.safetensors", mistral_weights(texts))
    patch.undo()


def _as_the_host_calls_it(converter):
    """ComfyUI up to 0.30.0 hands over a vocabulary, and later releases of transformers want a file."""
    tekken = (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )

    class Converter(converter):
        def __init__(self, vocab, additional_special_tokens):
            words = {word: rank for word, rank in vocab.items() if isinstance(word, bytes)}
            marks = {mark: rank for mark, rank in vocab.items() if isinstance(mark, str)}
            self._precomputed_vocab, self._precomputed_merges = self._extract_merges(words)
            self._precomputed_vocab = {w: r + len(marks) for w, r in self._precomputed_vocab.items()} | marks
            self.pattern, self.add_prefix_space = tekken, False
            self.additional_special_tokens = additional_special_tokens

    return Converter


@pytest.fixture(scope="session")
def condition(call, clip, vae, picture):
    return conditions(call, clip, vae, picture, reference_size=32)


@pytest.fixture(scope="session")
def sample(call, condition):
    return sampler(call, condition, channels=128, cell=16)
