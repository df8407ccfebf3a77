"""HippoRAG 2 as published beside what memapp recalls; the same as `memapp bench hipporag`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("hipporag", sys.argv[1:]))
