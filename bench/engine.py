"""How fast the default model reads and writes; the same as `memapp bench engine`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("engine", sys.argv[1:]))
