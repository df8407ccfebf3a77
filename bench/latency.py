"""How long a search and the first word of an answer take; the same as `memapp bench latency`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("latency", sys.argv[1:]))
