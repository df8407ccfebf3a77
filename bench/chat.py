"""What the episodic layer finds of conversations; the same as `memapp bench chat`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("chat", sys.argv[1:]))
