"""What a process that is killed at random moments loses; the same as `memapp bench crash`."""

import sys

from memapp.evaluate import bench

if __name__ == "__main__":
    sys.exit(bench.run("crash", sys.argv[1:]))
