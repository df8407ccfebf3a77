"""What it is worth to have the chat model put passages in order; the same as `memapp bench rerank`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("rerank", sys.argv[1:]))
