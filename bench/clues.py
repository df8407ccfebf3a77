"""What clues from the gist of a collection bring, and what they cost; the same as `memapp bench clues`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("clues", sys.argv[1:]))
