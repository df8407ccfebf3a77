"""What joining phrases of like meaning adds to recall; the same as `memapp bench synonyms`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("synonyms", sys.argv[1:]))
