"""Ingests the sample collection, asks it five questions and tells where the time went. Run by `make demo`."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from pathlib import Path

from memapp import Answer, Memory, Progress

HERE = Path(__file__).parent
HOME = HERE.parent / ".demo"
QUESTIONS = 5


def main() -> int:
    """Exit code 0 when every document went in and every question was answered."""
    shutil.rmtree(HOME, ignore_errors=True)
    with Memory.open(HOME / "memory.db") as memory:
        began = time.perf_counter()
        memory.prepare(told)
        print(f"Models ready in {time.perf_counter() - began:.1f} s\n")
        report = memory.ingest([HERE / "sample"])
        spent = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report.seconds.items())
        print(f"Remembered {len(report.added)} documents, {memory.stats().passages} passages ({spent})\n")
        for item in report.failed:
            print(f"  not read: {item.source}: {item.reason}")
        answers = [asked(memory, question) for question in questions()]
    print(f"All of it is in {HOME}; look around with: .venv/bin/memapp --store {HOME}/memory.db chat")
    return 0 if not report.failed and not any(answer.abstained for answer in answers) else 1


def questions() -> list[str]:
    """The first questions of the sample."""
    lines = (HERE / "sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)["question"]) for line in lines[:QUESTIONS]]


def asked(memory: Memory, question: str) -> Answer:
    """Asks and prints."""
    answer = memory.ask(question)
    ms = answer.timing_ms
    print(f"Q  {question}\nA  {answer.text}")
    for citation in answer.citations:
        quoted = textwrap.shorten(citation.text, 90)
        print(f"   [{citation.n}] {citation.title}: {quoted}")
    write = ms.get("generate", 0.0)
    read = ms.get("first token", 0.0)
    print(f"   search {ms['search']:.0f} ms, reading {read:.0f} ms, writing {write:.0f} ms\n")
    return answer


def told(progress: Progress) -> None:
    """One line a stage."""
    print(f"Preparing the {progress.stage} ({progress.done}/{progress.total})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
