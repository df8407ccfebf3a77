"""What reading passages apart saves, and what it does to answers; the same as `memapp bench context`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("context", sys.argv[1:]))
