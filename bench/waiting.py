"""What it costs that threads wait for each other; the same as `memapp bench waiting`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("waiting", sys.argv[1:]))
