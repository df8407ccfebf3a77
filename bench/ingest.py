"""Passages a second, end to end; the same as `memapp bench ingest`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("ingest", sys.argv[1:]))
