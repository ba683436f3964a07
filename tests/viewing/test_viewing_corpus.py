"""A scored corpus as a page: a sample with texts and maps, the histogram of all, what a selection kept."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seen import NASTY, browser_of, model, opened, tokenizer
from viewing.cli import main
from viewing.corpus import CorpusView, Histogram, Seen
from viewing.corpus_page import make_corpus_page


pq = pytest.importorskip("pyarrow.parquet", reason="the extra `data` is not installed")

COUNT, KEPT = 30, 12


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Scores with those of tokens, and a selection from them."""
    from selection.score_cli import main as score
    from selection.select_cli import main as select

    place = tmp_path_factory.mktemp("scored")
    model().save_pretrained(place / "model")
    tokenizer().save_pretrained(place / "model")
    dice = random.Random(0)
    texts = [
        NASTY,
        *(" ".join(dice.choices(["the", "plain", "words", "of", "a", "tokenizer"], k=3 * n)) for n in range(1, 30)),
    ]
    lines = [json.dumps({"id": f"d{n}", "dataset": f"s{n % 2}", "text": text}) for n, text in enumerate(texts)]
    (place / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ["--data", str(place / "corpus.jsonl"), "--output", str(place / "scores"), "--tokens", "--quiet"]
    assert score(["--model", str(place / "model"), *given, "--shard-size", "8"]) == 0
    chosen = ["--output", str(place / "chosen"), "--count", str(KEPT), "--quiet"]
    assert select(["--scores", str(place / "scores"), *chosen]) == 0
    return place / "scores", place / "chosen"


def page_of(*given: str) -> dict[str, Any]:
    output = Path(given[given.index("--output") + 1])
    assert main(given) == 0
    text = output.read_text(encoding="utf-8").split('<script id="data" type="application/json">')[1]
    return json.loads(text.split("</script>")[0])


def test_every_document_is_the_one_that_was_scored(scored: tuple[Path, Path], tmp_path: Path) -> None:
    scores, _ = scored
    data = page_of("--corpus", str(scores), "--output", str(tmp_path / "page.html"))
    rows = [row for path in sorted(scores.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert (data["documents"], data["kept"], data["score"]) == (COUNT, None, "quality")
    assert [one["id"] for one in data["sample"]] == [
        row["id"] for row in sorted(rows, key=lambda row: (-row["quality"], row["position"]))
    ]
    known = {row["id"]: row for row in rows}
    for one in data["sample"]:
        row = known[one["id"]]
        assert one["layers"] == pytest.approx(row["layer_scores"], rel=1e-5) and one["tokens"] == row["tokens"]
        assert one["perplexity"] == pytest.approx(row["perplexity"], rel=1e-5) and one["verdict"] == ""
    assert next(one for one in data["sample"] if one["id"] == "d0")["text"] == NASTY
    assert sum(data["histogram"]["counts"]) == COUNT and data["histogram"]["kept"] == []


def test_maps_are_good_ratios_of_tokens(scored: tuple[Path, Path]) -> None:
    from viewing.scored import COLUMNS, read_corpus

    view = read_corpus(scored[0])
    rows = {row["id"]: row for path in scored[0].glob("*.parquet") for row in pq.read_table(path).to_pylist()}
    lengths = set()
    for seen in view.sample:
        expected = 1 / (1 + np.exp(-np.array(rows[seen.id]["token_logits"]).reshape(3, -1)))
        found = np.array(seen.tokens_map)
        lengths.add(found.shape[1] < expected.shape[1])
        assert found.shape[1] == min(COLUMNS, expected.shape[1])
        if found.shape == expected.shape:
            assert found == pytest.approx(expected, abs=1e-6)
        else:  # means of neighbours
            assert found.min() >= expected.min() and found.max() <= expected.max()
            assert found.mean(1) == pytest.approx(expected.mean(1), abs=0.02)
    assert lengths == {True, False}


def test_a_selection_says_what_was_kept(scored: tuple[Path, Path], tmp_path: Path) -> None:
    scores, chosen = scored
    given = ["--corpus", str(scores), "--selection", str(chosen), "--output", str(tmp_path / "page.html")]
    data = page_of(*given)
    kept = [json.loads(line)["id"] for line in (chosen / "selected_data.jsonl").read_text().splitlines()]
    assert [one["id"] for one in data["sample"] if one["verdict"] == "kept"] == kept and len(kept) == KEPT
    assert (data["kept"], data["score"]) == (KEPT, "score") and sum(data["histogram"]["kept"]) == KEPT
    assert len({one["verdict"] for one in data["sample"]}) == 2


def test_the_sample_is_spread_over_the_ranks(scored: tuple[Path, Path]) -> None:
    from viewing.scored import read_corpus

    whole = [seen.id for seen in read_corpus(scored[0], with_texts=False).sample]
    some = [seen.id for seen in read_corpus(scored[0], with_texts=False, most=5).sample]
    assert some == [whole[place] for place in (0, 7, 14, 22, 29)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--corpus", "/nowhere"], "is not a folder"),
        (["--corpus", "SCORES", "--selection", "/nowhere"], "kept.parquet: cannot be read"),
        (["--corpus", "SCORES", "--data", "/nowhere"], "the corpus that was scored"),
        (["--corpus", "SCORES", "--data", "OTHER"], "not as it was when it was scored"),
    ],
)
def test_bad_input_is_one_line(
    given: list[str], said: str, scored: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.jsonl").write_text('{"text": "a"}\n')
    places = {"SCORES": str(scored[0]), "OTHER": str(tmp_path / "other.jsonl")}
    capsys.readouterr()
    output = tmp_path / "page.html"
    assert main([*(places.get(each, each) for each in given), "--output", str(output)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not output.exists()


def test_a_selection_of_other_scores_is_refused(scored: tuple[Path, Path], tmp_path: Path) -> None:
    from selection.errors import SelectionError
    from viewing.scored import read_corpus

    for name in ("kept.parquet", "dropped.parquet"):
        pq.write_table(pq.read_table(scored[1] / name).slice(0, 5), tmp_path / name)
    with pytest.raises(SelectionError, match="a selection from other scores"):
        read_corpus(scored[0], tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        ["--corpus", "a"],
        ["--corpus", "a", "--output", "b", "--text", "c"],
        ["--model", "a", "--text", "b", "--selection", "c"],
        ["--model", "a"],
        ["--text", "a"],
    ],
)
def test_options_that_do_not_go_together_are_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(given)
    assert refused.value.code == 2


# ---- in a browser

# of a copy, since a browser warns where the canvas itself is read twice
COLOUR = """(one, at) => {
  const copy = new OffscreenCanvas(one.width, one.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(one, 0, 0);
  return [...copy.getImageData(at[0], at[1], 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from browser_of()


def made(verdicts: bool = True) -> CorpusView:
    sample = tuple(
        Seen(
            f"d{n}" if n else "<img src=x onerror=window.hit=1>",
            f"s{n % 2}",
            10 + n,
            1 - n / 8,
            None if n == 3 else 20.5 - n,
            (n / 8, 0.5),
            ((0.0, 1.0, n / 8), (0.5, 0.5, 0.5)),
            NASTY if n == 1 else "a text",
            ("kept" if n < 3 else "below the cut") if verdicts else "",
        )
        for n in range(8)
    )
    histogram = Histogram((0.0, 0.5, 1.0), (60, 40), (0, 30) if verdicts else ())
    return CorpusView("score", 100, sample, histogram, ("layer 0", "layer 4"))


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page.evaluate("asJson()")]


def test_headings_sort_and_verdicts_are_chosen(browser: Any, tmp_path: Path) -> None:
    for page in opened(browser, tmp_path, make_corpus_page("a corpus", made())):
        assert page.locator("#counts").inner_text() == ("100 documents, 30 kept; 8 at evenly spaced ranks are listed.")
        assert page.evaluate("window.hit") is None and page.locator("tbody tr.document").count() == 8
        assert ids(page)[1:] == [f"d{n}" for n in range(1, 8)]
        page.locator("th button", has_text="perplexity").click()
        assert ids(page)[0] == "d3" and ids(page)[1:3] == ["<img src=x onerror=window.hit=1>", "d1"]
        page.locator("th button", has_text="perplexity").click()
        assert ids(page)[0] == "d7"
        page.locator("#show").select_option("kept")
        assert ids(page) == ["d2", "d1", "<img src=x onerror=window.hit=1>"]
        assert page.locator("#histogram rect.kept").count() == 1
        first = page.locator("tbody tr").first.locator("td")
        assert first.all_inner_texts()[:6] == ["kept", "0.7500", "d2", "s0", "12", "18.50"]


def test_a_row_opens_to_text_and_map(browser: Any, tmp_path: Path) -> None:
    for page in opened(browser, tmp_path, make_corpus_page("a corpus", made(verdicts=False))):
        assert page.locator("#show").is_hidden()
        row = page.locator("tbody tr.document").nth(1)
        row.focus()
        page.keyboard.press("Enter")
        assert page.eval_on_selector(".whole", "one => one.textContent") == NASTY
        canvas = page.locator("td[colspan] canvas")
        assert canvas.evaluate("one => [one.width, one.height]") == [3 * 8, 2 * 12]
        closed, opened_ = (canvas.evaluate(COLOUR, [x, 20]) for x in (4, 12))  # the first layer is at the bottom
        assert closed == page.evaluate("page.colours.closed") and opened_ == page.evaluate("page.colours.open")
        assert page.evaluate("document.activeElement.className").strip() == "document"
        page.keyboard.press("Enter")
        assert page.locator(".whole").count() == 0
        strip = page.locator("tbody tr.document").nth(4).locator("canvas")
        assert strip.evaluate(COLOUR, [2, 8]) == page.evaluate("colour(0.5, [0, 1])")
