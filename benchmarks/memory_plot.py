"""Plot what `memory_gate.py --json` wrote: time against the base by the number of rows, and how long a search takes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib


GOAL = 1.35  # of a decoding step, times the base's


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture, the same bytes for the same numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("numbers", type=Path, help="what memory_gate.py --json wrote")
    parser.add_argument("output", type=Path, help="an SVG file")
    args = parser.parse_args(argv)
    plot(json.loads(args.numbers.read_text(encoding="utf-8")), args.output)
    return 0


def plot(numbers: Sequence[dict[str, Any]], output: Path) -> None:
    """Two pictures side by side, of the content design; points where every token reads another row."""
    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "memory", "font.size": 9}
    from matplotlib import pyplot

    figure, (ratios, searches) = pyplot.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained")
    content = sorted((each for each in numbers if each["design"] == "content"), key=lambda each: each["rows"])
    reads = [each for each in numbers if each["design"] == "content, reads"]
    rows = [each["rows"] for each in content]
    for name, word, mark in (("decoding", "decoding step", "o"), ("forward", "forward", "s")):
        (line,) = ratios.plot(rows, [each[name] for each in content], f"{mark}-", label=word)
        found = [each["rows"] for each in reads], [each[name] for each in reads]
        ratios.plot(*found, mark, color=line.get_color(), fillstyle="none", label=f"{word}, a new row at every token")
    ratios.axhline(GOAL, color="gray", linestyle="--", linewidth=0.8, label="goal (on a CPU)")
    ratios.set(xlabel="rows", ylabel="time, 1 for the base", ylim=(1.0, 1.6))
    searches.plot(rows, [1e3 * each["search_s"] for each in content], "o-", label="measured")
    at_first = 1e3 * content[0]["search_s"]
    searches.plot(rows, [at_first * (each / rows[0]) ** 0.5 for each in rows], ":", color="gray", label="by the root")
    searches.set(xlabel="rows", ylabel="a search, ms", ylim=(0, None))
    for axes in (ratios, searches):
        axes.set_xscale("log", base=2)
        axes.set_xticks(rows)
        axes.legend(fontsize=7)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, format="svg", metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
