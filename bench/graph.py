"""What the graph costs as it grows; the same as `memapp bench graph`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("graph", sys.argv[1:]))
