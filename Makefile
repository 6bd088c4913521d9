# make demo   pictures through a real ComfyUI        make test   everything
# COMFYUI_PATH=… (and COMFYUI_PYTHON=…) uses a ComfyUI of your own instead of a fetched one.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
KNOWN := 0.30.0 0.24.1 0.18.2
HOST ?= 0.30.0
ifeq ($(origin HOST) $(filter $(HOST),$(KNOWN)),environment )
HOST := 0.30.0  # somebody else's HOST, such as a compiler's
endif
HOST := $(strip $(HOST))

ifneq ($(words $(CURDIR)),1)
$(error The path of this folder has spaces, which make cannot handle: $(CURDIR). Move it)
endif

ifdef COMFYUI_PATH
COMFY := $(shell realpath "$(COMFYUI_PATH)")
PY := $(or $(COMFYUI_PYTHON),$(shell ls "$(COMFY)/.venv/bin/python" "$(COMFY)/venv/bin/python" 2>/dev/null | head -n 1))
else
COMFY := $(CURDIR)/.host/$(HOST)
VENV := $(CURDIR)/$(if $(filter 0.30.0,$(HOST)),.venv,.venv-$(HOST))
PY := $(VENV)/bin/python
endif
export COMFYUI_PATH := $(COMFY)
export COMFYUI_PYTHON := $(PY)

TIERS := core sprites trainer host server tables browser
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
LONGEST_FIRST := host browser tables server trainer sprites core
PYTEST = "$(PY)" -m pytest -c tests/pytest.ini

.PHONY: help host demo test lint test-hosts $(TIERS:%=test-%) bench-attention bench-cached bench-lora bench-record \
  sprites-train sprites-judge diptych-preview train-tools batch-tools train-estimate full-size ablation \
  training-free anyms anyms-train anyms-sdxl anyms-ipadapter flux2 views crowd depth wider times clean-training workflows try-sprites package comfy-cli emblem locales screenshots thousand bench-batch musar-gen

help:
	@echo "make demo             pictures of Sprites through a real ComfyUI, into output/"
	@echo "make test             lint and every test: $(TIERS)"
	@echo "make test-core        one tier; likewise test-sprites, test-trainer, test-host, test-server, test-tables, test-browser"
	@echo "make test-hosts       the host and server tiers on ComfyUI $(KNOWN)"
	@echo "make host             fetch ComfyUI $(HOST) and its requirements (make demo and make test do it too)"
	@echo "make bench-attention  measure routed attention, into docs/benchmarks.md"
	@echo "make bench-cached     measure FLUX.2 with Flux KV Cache, routed and not, likewise"
	@echo "make bench-lora       measure the dual LoRA, likewise"
	@echo "make bench-record     measure the record of the run and the leak diagnostic, likewise"
	@echo "make sprites-train    make the models of Sprites; goes on where it was stopped (SMOKE=1: a few steps; CROWD=1: the less kind ones; FLUX2=1: of FLUX.2)"
	@echo "make diptych-preview  a contact sheet of training examples; SOURCE=folder FOLDER=… for your own pairs"
	@echo "make workflows        write the shipped workflows anew, through ComfyUI's own frontend in Chromium"
	@echo "make package          the pack as the registry would deliver it, and its size, into output/"
	@echo "make try-sprites      a zip of Sprites for a ComfyUI without a terminal, into output/"
	@echo "make screenshots      the pictures of ComfyUI in docs/images"
	@echo "make emblem           the icon and the banner for the registry, into docs/images"
	@echo "make locales          what the nodes say, for their translations (locales/)"
	@echo "make ablation         train and judge the paper's variants on Sprites, into docs/results.md (FORCE=1: all anew)"
	@echo "make training-free    route models that were trained without it, every way, into docs/results.md"
	@echo "make anyms            subjects of Sprites in boxes by an image adapter, into docs/results.md (anyms-train: make the adapter)"
	@echo "make anyms-sdxl       AnyMS on a random SDXL of full size, into docs/anyms.md (12 GB of memory)"
	@echo "make anyms-ipadapter  the same pictures by your copy of ComfyUI_IPAdapter_plus: PACK=…; likewise"
	@echo "make flux2            route Sprites of FLUX.2, every way, into docs/results.md"
	@echo "make views            subjects with one view and with two, into docs/results.md"
	@echo "make crowd            train and judge in the less kind world, into docs/results.md"
	@echo "make wider            train a base that draws up to eight subjects, and draw on it with the LoRAs there are, likewise"
	@echo "make depth            train a base with more blocks and a UNO on it, ways of finding owners, likewise"
	@echo "make thousand         1,000 rows of Sprites by hand and as batches, into docs/batch.md (ROWS=…)"
	@echo "make bench-batch      100,000 rows of a stub, and everything killed that can be, into docs/batch.md"
	@echo "make musar-gen        a set like MUSAR-Gen, drawn by Sprites and filtered by its judge (ROWS=…)"
	@echo "make times            train at other times on Sprites, into docs/training.md"
	@echo "make clean-training   docs/training.md in a clean environment on a fresh clone, with tiny weights"
	@echo "make train-estimate   memory and arithmetic of training on FLUX.1-dev and FLUX.2 klein"
	@echo "make full-size        the trainer on them with random weights: seconds of a step and memory (MODEL=dev or klein, STEPS=…, SIZE=…, DIPTYCH=1)"
	@echo "make sprites-judge    judge the judge and the base model, into docs/sprites.md"

ifdef VENV
host:
	@"$(PYTHON)" tools/host.py --host $(HOST) --source $(COMFY) --venv $(VENV)
else
host:
	@test -f "$(COMFY)/main.py" || { echo "COMFYUI_PATH is $(COMFY), and there is no main.py in it."; exit 1; }
	@test -n "$(PY)" || { echo "No Python found for $(COMFY). Set COMFYUI_PYTHON to the one that runs it."; exit 1; }
	@"$(PY)" -c "import torch, aiohttp" || { echo "$(PY) lacks ComfyUI's requirements. Set COMFYUI_PYTHON to the Python that runs it."; exit 1; }
endif

demo: host
	@"$(PY)" -m demo.run $(if $(DOCS),--docs)

# two tiers at a time, each with one thread: in about half the time of one after the other
test: lint
	@echo "Two tiers at a time; what a tier says comes when it has ended."
	@$(MAKE) --no-print-directory -j2 $(SYNC) OMP_NUM_THREADS=1 $(LONGEST_FIRST:%=test-%)

test-tools: train-tools batch-tools
	@"$(PY)" -c "import pytest, hypothesis, ruff, playwright" || { echo "Tests need more: $(PY) -m pip install pytest hypothesis ruff playwright"; exit 1; }

train-tools: host
	@"$(PY)" -c "import accelerate, diffusers, pyarrow, yaml" || { echo "Training needs more: $(PY) -m pip install accelerate diffusers pyarrow pyyaml"; exit 1; }

batch-tools: host
	@"$(PY)" -c "import fsspec, pyarrow, ray, torchmetrics, tqdm, transformers" || { echo "Batches and metrics need more: $(PY) -m pip install fsspec pyarrow 'ray[data]' torchmetrics tqdm transformers"; exit 1; }

lint: test-tools
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .
	"$(PY)" -m tools.ladder

test-server: comfy-cli

# tests/sprites would hide the room of that name from the tests
$(TIERS:%=test-%): test-%: test-tools
	$(PYTEST) tests/$(if $(filter sprites,$*),small_world,$*)

test-hosts:
	@for host in $(KNOWN); do \
	  echo "ComfyUI $$host"; \
	  env -u COMFYUI_PATH -u COMFYUI_PYTHON $(MAKE) --no-print-directory HOST=$$host test-host test-server || exit 1; \
	done

bench-attention: host
	@"$(PY)" -m benchmarks.attention

bench-record: host
	@"$(PY)" -m benchmarks.record

bench-cached: host
	@"$(PY)" -m benchmarks.cached

bench-lora: host
	@"$(PY)" -m benchmarks.lora

sprites-train: train-tools
	@"$(PY)" -m studies.base_model $(if $(CROWD),--crowd) $(if $(FLUX2),--flux2) $(if $(SMOKE),--smoke)

sprites-judge: host
	@"$(PY)" -m studies.base_model.report

diptych-preview: host
	@"$(PY)" -m training.data.preview --source $(or $(SOURCE),sprites) --count $(or $(COUNT),6) \
	  $(if $(FOLDER),--folder "$(FOLDER)")

workflows: test-tools
	@"$(PY)" -m gallery

try-sprites: host
	@"$(PY)" -m gallery.try_sprites

package: host
	@"$(PY)" -m tools.package

comfy-cli: host
	@"$(PY)" -m tools.comfy_cli

emblem: host
	@"$(PY)" -m gallery.emblem

locales: host
	LOCALES=1 $(PYTEST) tests/host/test_locales.py

screenshots: test-tools
	SCREENSHOTS=1 $(PYTEST) tests/browser/test_canvas.py tests/browser/test_subgraph.py tests/browser/test_language.py tests/browser/test_app.py

ablation: train-tools
	@"$(PY)" -m studies.ablation $(if $(FORCE),--force)

flux2: train-tools
	@"$(PY)" -m studies.flux2
	@"$(PY)" -m studies.flux2.cached

crowd: train-tools
	@"$(PY)" -m studies.crowd

depth: train-tools
	@"$(PY)" -m studies.depth

wider: train-tools
	@"$(PY)" -m studies.wider

views: train-tools
	@"$(PY)" -m studies.views

training-free: train-tools
	@"$(PY)" -m studies.training_free

anyms-train: train-tools
	@"$(PY)" -m studies.anyms.train

anyms: train-tools
	@"$(PY)" -m studies.anyms

anyms-sdxl: host
	@"$(PY)" -m studies.anyms.full_sdxl

anyms-ipadapter: host
	@"$(PY)" -m studies.anyms.ipadapter_plus "$(PACK)"

clean-training:
	@"$(PYTHON)" -m tools.clean_training

times: train-tools
	@"$(PY)" -m studies.times

thousand: batch-tools
	@"$(PY)" -m studies.thousand $(if $(ROWS),--rows $(ROWS))

bench-batch: batch-tools
	@"$(PY)" -m studies.thousand.hundred_thousand
	@"$(PY)" -m studies.thousand.killed

musar-gen: batch-tools train-tools
	@"$(PY)" -m studies.musar_gen sprites $(if $(ROWS),--count $(ROWS))

train-estimate: train-tools
	@"$(PY)" -m training.estimate

full-size: train-tools
	@"$(PY)" -m studies.full_size $(if $(MODEL),--model $(MODEL)) $(if $(STEPS),--steps $(STEPS)) \
	  $(if $(SIZE),--size $(SIZE)) $(if $(DIPTYCH),--diptych)
