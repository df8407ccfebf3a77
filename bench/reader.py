"""How well the reader answers from passages; the same as `memapp bench reader`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("reader", sys.argv[1:]))
