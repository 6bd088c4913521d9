"""`accelerate launch -m training.encode --config …`: pictures and condition prompts, once, before training.

What comes again and again goes into encoder.cache, a folder of shards; the trainer reads it there. Prompts
hardly ever come twice: the trainer encodes them itself, some hundred steps ahead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Hashable, Sequence
from datetime import timedelta
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor
from tqdm import tqdm

from .config import check_config, read_config
from .data.feed import Feed
from .data.pair import BadRow, Pair, Source
from .data.words import another
from .encoders import Encoder, Store, new_encoder
from .encoders.store import compact, name_of
from .run.processes import leave
from .train import open_feeds

SHARD = 512  # rows of data in one
LOOK = 8  # pairs of rows that are encoded for the estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the config")
    parser.add_argument("--dry-run", action="store_true", help="say how much it is, and write nothing")
    args = parser.parse_args()
    try:
        encode(read_config(args.config, args.set), args.dry_run)
        leave()
    except ValueError as error:
        raise SystemExit(f"encoding: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("Stopped. The same command goes on where it was.") from None


def encode(config: dict, dry_run: bool = False) -> None:
    check_config(config)
    if not config["encoder"].get("cache"):
        raise ValueError("encoder.cache is not set: name the folder that is to hold what is encoded.")
    state = PartialState(cpu=config["cpu"], timeout=timedelta(days=7))  # for who waits for the others
    encoder, feeds = new_encoder(config["encoder"]), open_feeds(config)
    store = Store(Path(config["encoder"]["cache"]), encoder.fingerprint())
    of = _what(config, feeds[0])
    done = {row for facts in store.facts if facts.get("of") == of for row in facts["rows"]}
    used = rows_used(config, feeds, state.num_processes)
    left = sorted(used - done)
    diptychs = _diptychs(config)
    making = _Making(feeds[0], encoder, store, diptychs, of)
    if state.is_main_process:
        print(f"{len(used)} rows of {feeds[0].source.name} are used, {len(used) - len(left)} are encoded.")
        making.estimate(left)
    if not dry_run:
        state.wait_for_everyone()
        own = share(left, feeds[0].source, state.process_index, state.num_processes)
        making.write([own[i : i + SHARD] for i in range(0, len(own), SHARD)], state.is_main_process)
        feeds[0].learn_of(gather_object([feeds[0].told()]))
        if state.is_main_process:
            print(*feeds[0].report(), f"Everything is in {store.folder}.", sep="\n")


def _diptychs(config: dict) -> bool:
    return any(set(stage["mix"]) - {"single"} for stage in config["stages"])


def _what(config: dict, feed: Feed) -> str:
    """Of which rows, in which size and with which words: those of other settings are not done by these."""
    decides = [config["data"], config["pixels"], _diptychs(config), len(feed.source)]
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()[:16]


def rows_used(config: dict, feeds: Sequence[Feed], processes: int) -> set[int]:
    """Rows of the data that the run will ask for, on as many processes as now."""
    rows: set[int] = set()
    for stage, feed in zip(config["stages"], feeds):
        count = stage["steps"] * config["batch"] * config["accumulation"] * processes
        for number in range(count):
            rows.update(feed.order[number].rows)
            if len(rows) == len(feed.source):
                return rows
    return rows


def share(rows: Sequence[int], source: Source, rank: int, processes: int) -> list[int]:
    """Rows that have the same pictures go to one process, which encodes them once."""
    numbers: dict[Hashable, int] = {}
    of = source.subject if source.pictures_twice else lambda row: row
    return [r for r in rows if numbers.setdefault(of(r), len(numbers)) % processes == rank]


class _Making:
    def __init__(self, feed: Feed, encoder: Encoder, store: Store, diptychs: bool, of: str) -> None:
        self.feed, self.encoder, self.store, self.diptychs, self.of = feed, encoder, store, diptychs, of
        self.made: set[str] = set()  # by this process

    def estimate(self, left: Sequence[int]) -> None:
        """Says how much it will be. ValueError where the disk has not the room."""
        some = share(left, self.feed.source, 0, max(1, len(left) // (2 * LOOK)))[: 2 * LOOK]
        size = sum(t.nbytes for row in some for t in self._of(row).values())
        self.made.clear()
        needed = size / max(1, len(some)) * len(left)
        place = next(p for p in (self.store.folder, *self.store.folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(place).free
        print(f"{len(left)} are left: at most {needed / 1e9:.2f} GB. The disk has {free / 1e9:.2f} GB free.")
        if needed > free:
            raise ValueError(
                f"{needed / 1e9:.1f} GB do not fit into the {free / 1e9:.1f} GB that are free at {place}. "
                "Set encoder.cache to a larger disk, or leave it out: then all is encoded as it comes."
            )

    def write(self, parts: Sequence[Sequence[int]], show: bool) -> None:
        """A file for each part."""
        bar = tqdm(desc="encoding", total=sum(map(len, parts)), disable=not show)
        for some in parts:
            made: dict[str, Tensor] = {}
            for row in some:
                made |= self._of(row)
                bar.update()
            stem = f"rows_{some[0]:08}_{some[-1]:08}_{self.of}"
            self.store.write(stem, made, {"rows": some, "of": self.of})
        bar.close()

    def _of(self, row: int) -> dict[str, Tensor]:
        """What of a row is not there yet; nothing of one that cannot be used."""
        found = self.feed.read(row)
        try:
            example = self.feed.alone(found) if isinstance(found, Pair) else found
            example = None if example is None else self.feed.sized(example)
        except BadRow:  # the trainer says it of the example
            example = None
        if example is None:
            return {}
        words = [r.words for r in example.references]
        if self.diptychs:
            words = [*words, *map(another, words)]
        made: dict[str, Tensor] = {}
        for picture in [*(r.image for r in example.references), example.target]:
            name = name_of("image", picture)
            if self._missing(name):
                made[name] = compact(self.encoder.image(picture))
        for text in words:
            name = name_of("words", text)
            if self._missing(name):
                made[name] = self.encoder.words(text).clone()
        return made

    def _missing(self, name: str) -> bool:
        if name in self.store or name in self.made:
            return False
        self.made.add(name)
        return True


if __name__ == "__main__":
    main()
