"""Find keypoints in your own pictures and videos with a trained model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tusklite.cli.options import add_threads, folder, limit_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("weights", metavar="WEIGHTS", help="a model's file, such as a run's model.safetensors")
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+", help="folders, zip files, globs (in quotes), pictures and videos"
    )
    parser.add_argument("--out", metavar="DIR", type=folder, required=True, help="where results go: new, or empty")
    parser.add_argument(
        "--fit",
        help="middle: the model sees the largest centred square of a picture, as in training; whole: all of it. TUSK "
        "gets the whole, others the middle where nothing is said",
    )
    parser.add_argument("--size", type=int, help="side in pixels at which it sees that square; that of its training")
    parser.add_argument("--keypoints", type=int, metavar="K", help="how many to look for in a picture (TUSK only)")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    add_threads(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def act(arguments: argparse.Namespace) -> int:
    """Detect; say what was read and where everything is. 1 where a file was skipped, or read only in part."""
    from tqdm import tqdm

    from tusklite.inference import detect, load
    from tusklite.train.devices import choose_device

    limit_threads(arguments.threads)
    model = load(arguments.weights, choose_device(arguments.device))
    bar = tqdm(total=0, unit="picture", dynamic_ncols=True, disable=arguments.quiet, leave=False)

    def tell(line: str) -> None:
        tqdm.write(f"tusklite: {line}", file=sys.stderr)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        summary = detect(
            model,
            arguments.inputs,
            arguments.out,
            fit=arguments.fit,
            size=arguments.size,
            keypoints=arguments.keypoints,
            tell=tell,
            progress=progress,
        )
    finally:
        bar.close()
    print(summary)
    print(f"everything is in {Path(arguments.out)}")
    return 0 if summary.complete else 1
