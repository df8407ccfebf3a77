"""Recall with facts from elsewhere, beside our own and instead; the same as `memapp bench facts`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("facts", sys.argv[1:]))
