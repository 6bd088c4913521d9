"""`python -m batch run --graph prompt.json --table prompts.csv --output out`: a row a picture.

`check` in place of `run` draws nothing. A run that was stopped goes on with the same command.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
from pathlib import Path

from tools.comfy_server import host_from_environment
from tools.table import Wrong

from .check import Check
from .own import own_in
from .run import Run, open_run
from .server import Gone, Remote


def main() -> None:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run = open_run(
            args.graph,
            args.table,
            args.output,
            args.map,
            args.pictures,
            args.again,
            ahead=args.ahead,
            tries=args.tries,
            patience=args.patience,
        )
        _run(run, args)
    except (Wrong, Gone) as error:
        sys.exit(f"batch: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. The same command goes on.")


def _run(run: Run, args: argparse.Namespace) -> None:
    addresses = [a for a in (args.servers or args.server or "").split(",") if a]
    if len(addresses) > 1 and not (args.ray or args.ray_address):
        raise Wrong(f"Several servers ({', '.join(addresses)}) want --ray: without it one is drawn on.")
    server = Remote(addresses[0]) if addresses else own_in(run.output / "servers", own_settings(args))
    server.start()
    try:
        check = Check(run.graph, server.info(), args.table.resolve().parent, server.has)
        if run.graph.notes:
            print(f"Columns that fill nothing, kept in the ledger: {', '.join(run.graph.notes)}.")
        run.examine(check, args.skip_bad)
        print(f"{run.good} rows can be drawn, {run.good - run.done} are not drawn yet.")
        if args.what == "check":
            server.stop()
            return
        if args.ray or args.ray_address:
            from .on_ray import draw_on_ray

            server.release()  # each actor has its own, and this one is free
            draw_on_ray(run, check, addresses, own_settings(args), args.actors, args.ray_address)
        else:
            run.draw(check, server)
            server.stop()
        run.close()
    except BaseException:
        server.stop()
        raise


def own_settings(args: argparse.Namespace) -> dict:
    """Of servers that we start."""
    if args.server or args.servers:
        return {}
    comfy, python = host_from_environment()
    given = args.comfy_arguments
    if given is None:
        given = "" if shutil.which("nvidia-smi") or sys.platform == "darwin" else "--cpu"
    if args.base and not (args.base / "custom_nodes").is_dir():
        raise Wrong(
            f"--base is {args.base}, and there is no custom_nodes in it, without which ComfyUI does not "
            "start. Give the folder that has models, input and custom_nodes."
        )
    base = args.base and args.base.resolve()  # an actor elsewhere starts in a folder of its own
    return {"base": base, "comfy": comfy, "python": python, "arguments": tuple(shlex.split(given))}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batch", description=__doc__)
    parser.add_argument("what", choices=("run", "check"))
    parser.add_argument("--graph", type=Path, required=True, help="an API prompt")
    parser.add_argument("--table", type=Path, required=True, help="CSV, JSONL or Parquet")
    parser.add_argument("--output", type=Path, required=True, help="folder for pictures, journal and ledger")
    parser.add_argument("--map", type=Path, help='JSON: {"column": "node title or id/input"}')
    parser.add_argument("--pictures", help="another folder for pictures, or any fsspec address")
    parser.add_argument("--skip-bad", action="store_true", help="go on without rows that cannot be drawn")
    parser.add_argument("--again", action="store_true", help="try rows that failed once more")
    parser.add_argument("--tries", type=int, default=3, help="of a row")
    parser.add_argument(
        "--patience", type=float, default=600, help="seconds for a row, before its server is hung"
    )
    parser.add_argument("--ahead", type=int, default=2, help="rows in a server's queue")
    parser.add_argument("--server", metavar="HOST:PORT", help="a running one; otherwise one is started")
    parser.add_argument(
        "--base", type=Path, help="folder of models, input and packs of a started one (ComfyUI's own)"
    )
    parser.add_argument(
        "--comfy-arguments",
        help='for a started one, in one word: --comfy-arguments="--lowvram --fast"; --cpu without a GPU',
    )
    parser.add_argument("--ray", action="store_true", help="several at once, on a Ray cluster of its own")
    parser.add_argument("--ray-address", help="on a Ray cluster that runs: auto, or ray://host:10001")
    parser.add_argument(
        "--servers", metavar="A:8188,B:8188", help="with --ray: an actor each, on running servers"
    )
    parser.add_argument("--actors", type=int, help="with --ray: how many; otherwise one a GPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
