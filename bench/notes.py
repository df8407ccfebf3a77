"""How well questions on everyday notes are answered; the same as `memapp bench notes`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("notes", sys.argv[1:]))
