"""``python -m tests.torture``: rounds of torture, and a summary of what was lost."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.torture.round import Outcome, play
from tests.torture.servers import kinds

ROUND = 45
"""Seconds of torment in a round."""


def main() -> int:
    """Play rounds for some minutes; return 1 if anything was lost."""
    options = _parser().parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    end, number, total = time.monotonic() + 60 * options.minutes, 0, Outcome()
    while number == 0 or time.monotonic() < end:
        kind = kinds()[number % len(kinds())]
        folder = Path(tempfile.mkdtemp(prefix="torture-"))
        began = time.monotonic()
        outcome = play(kind, folder, seed + number, min(ROUND, 60 * options.minutes))
        found = sum(map(len, outcome.losses.values()))
        print(f"round {number}: {kind.name}, seed {seed + number}, {time.monotonic() - began:.0f} s, {found} losses")
        for name, sentences in outcome.losses.items():
            total.add(name, *sentences)
            print(*(f"  {name}: {sentence}" for sentence in sentences[:5]), sep="\n")
        total.counts += outcome.counts
        if found:
            print(f"  the folder {folder} is kept")
        else:
            shutil.rmtree(folder)
        sys.stdout.flush()
        number += 1
    return _summary(total, seed)


def _summary(total: Outcome, seed: int) -> int:
    print(f"\nseed {seed}")
    for event, count in sorted(total.counts.items()):
        print(f"{count:9} {event}")
    losses = Counter({kind: len(sentences) for kind, sentences in total.losses.items()})
    print("\nlosses:", ", ".join(f"{count} {kind}" for kind, count in losses.items()) or "none")
    return 1 if losses else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long; default: 10")
    parser.add_argument("--seed", type=int, help="of all choices; a random one by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
