"""Time and agreement of Personalized PageRank; the same as `memapp bench pagerank`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("pagerank", sys.argv[1:]))
