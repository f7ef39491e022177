"""The benchmark of reading: a small book in each format."""

from __future__ import annotations

from pipeline.bench.scripts import bench_scripts, table


def test_a_small_book_is_read_and_planned_in_each_format() -> None:
    results = bench_scripts(600, 1, lambda *_progress: None)
    assert [one["format"] for one in results["formats"]] == ["epub", "html", "docx", "md"]
    assert all(one["plan_s"] > 0 and one["peak_mb"] > 10 for one in results["formats"])
    assert "a book of 600 words" in table(results)
