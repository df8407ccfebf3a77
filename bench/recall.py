"""Recall of every layer and of their fusion; the same as `memapp bench recall`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("recall", sys.argv[1:]))
