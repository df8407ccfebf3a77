"""How long forgetting takes, and what it leaves; the same as `memapp bench forget`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("forget", sys.argv[1:]))
