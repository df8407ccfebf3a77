"""Several writing and reading processes on one store; the same as `memapp bench concurrency`."""

import sys

from memapp.evaluate import bench

if __name__ == "__main__":
    sys.exit(bench.run("concurrency", sys.argv[1:]))
