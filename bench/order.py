"""What the order of passages does to answers; the same as `memapp bench order`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("order", sys.argv[1:]))
