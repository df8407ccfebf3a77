"""How well key points stand for a whole memory; the same as `memapp bench summary`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("summary", sys.argv[1:]))
