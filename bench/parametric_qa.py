"""What the parametric memory does to answers; the same as `memapp bench parametric-qa`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("parametric-qa", sys.argv[1:]))
