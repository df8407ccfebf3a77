"""How many of the phrases that were marked are found; the same as `memapp bench extraction`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("extraction", sys.argv[1:]))
