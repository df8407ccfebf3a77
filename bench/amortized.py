"""What soft tokens of passages do to answers; the same as `memapp bench amortized`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("amortized", sys.argv[1:]))
