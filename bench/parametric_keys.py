"""Which hidden state finds the better neighbours; the same as `memapp bench parametric-keys`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("parametric-keys", sys.argv[1:]))
