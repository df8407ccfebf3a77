"""Whether answers are right; the same as `memapp bench qa`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("qa", sys.argv[1:]))
