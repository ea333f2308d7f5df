"""How fast the service is, beside others that do the same work (docs/performance.md).

Each work that is measured is printed and saved; `--report` makes the documents of all that are.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.pairings import GIB, PAIRINGS, arguments, size
from bench.speed import works_bulk, works_small
from bench.speed.content import ContentFile, content_file
from bench.speed.ground import Effort, Ground, ground
from bench.speed.results import Circumstances, Saved, circumstances, save, saved
from bench.speed.rounds import ROUNDS, Outcome, run
from bench.speed.rows import ROWS, Row
from bench.speed.tables import HEADS, cells, judgement, per, plain, rows_of

WORKS = {
    "servers": {**works_bulk.SERVERS, **works_small.SERVERS},
    "embedded": {**works_bulk.EMBEDDED, **works_small.EMBEDDED},
}
NAMES = [*WORKS["servers"], *WORKS["embedded"], *ROWS]
# In the order of the report.
SAVED = [
    *(*WORKS["servers"], *WORKS["embedded"]),
    *(f"{name}-{pairing}" for name in ROWS for pairing in PAIRINGS),
]


def parser() -> argparse.ArgumentParser:
    made = arguments(__doc__)
    made.add_argument("--works", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    made.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each work ({ROUNDS})")
    made.add_argument("--size", type=size, default=GIB, help="of a large file (1GiB)")
    made.add_argument("--seconds", type=float, default=2.0, help="of small reads a go (2)")
    made.add_argument("--writes", type=int, default=1000, help="small files a go (1000)")
    made.add_argument("--write", action="store_true", help="save what is measured")
    made.add_argument("--report", action="store_true", help="only make the documents of all saved")
    return made


class Session:
    """One run of the program: what it was asked, and what missed its target."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.missed: list[str] = []

    def everything(self) -> None:
        folder = self.options.folder or Path(tempfile.gettempdir())
        with content_file(self.options.size, folder) as content:
            for pairing in _asked(self.options.pairing):
                works = [name for name in WORKS[pairing] if self._wants(name)]
                if works:
                    self._pairing(pairing, works, content)
                for name in filter(self._wants, ROWS):
                    self._rows(name, pairing, content)

    def _wants(self, name: str) -> bool:
        return self.options.works is None or name in self.options.works

    def _pairing(self, pairing: str, works: Sequence[str], content: ContentFile) -> None:
        effort = Effort(self.options.seconds, self.options.writes)
        with ground(pairing, self.options, content, effort) as there:
            for name in works:
                self._work(there, name)

    def _work(self, there: Ground, name: str) -> None:
        """A work that fails is reported, and the others go on."""
        print(f"\n== {name}", flush=True)
        there.missing.clear()  # only of this work
        try:
            with WORKS[there.pairing.name][name](there) as work:
                outcome = run(work, self.options.rounds, print, there.rest)
        except Exception as error:
            print(f"  FAILED: {type(error).__name__}: {error}", flush=True)
            self.missed.append(name)
            return
        outcome.left_out.update(there.missing)
        self._tell(outcome)
        self._save(Saved(name, there.pairing.name, self._now(there.versions), outcome))

    def _tell(self, outcome: Outcome) -> None:
        print(f"  {outcome.title}; CPU seconds for {per(outcome.unit)}")
        print(plain(HEADS, rows_of(outcome)))
        for judged in outcome.judged():
            print(f"  {judgement(judged)}")
            if judged.word != "PASS":
                of = " (CPU)" if judged.target.of == "cpu" else ""
                self.missed.append(f"{outcome.name}: {judged.target.other}{of}")
        for name, why in outcome.left_out.items():
            print(f"  left out: {name}: {why}")
        sys.stdout.flush()

    def _rows(self, work: str, pairing: str, content: ContentFile) -> None:
        name = f"{work}-{pairing}"
        print(f"\n== {name}", flush=True)
        rows: list[Row] = []
        for row in ROWS[work](pairing, self.options, content):
            print(f"  {'  '.join(cells(row))}", flush=True)
            rows.append(row)
        self.missed += [row.what for row in rows if row.word == "OVER"]
        self._save(Saved(name, pairing, self._now({}), rows=rows))

    def _now(self, others: Mapping[str, str]) -> Circumstances:
        return circumstances(self.options.size, self.options.workers, others)

    def _save(self, found: Saved) -> None:
        if self.options.write:
            save(found)


def _asked(pairing: str) -> Iterator[str]:
    yield from PAIRINGS if pairing == "both" else (pairing,)


def main() -> None:
    options = parser().parse_args()
    if options.report:
        from bench.speed import report  # matplotlib is for this alone

        report.write(saved(SAVED))
        return
    # As Ctrl-C does: what was started is ended, and what was made is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    session = Session(options)
    session.everything()
    print(f"\nmissed: {'; '.join(session.missed)}" if session.missed else "\nall targets met")
    sys.exit(1 if session.missed else 0)


if __name__ == "__main__":
    main()
