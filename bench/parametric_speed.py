"""What a token costs with the parametric memory; the same as `memapp bench parametric-speed`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("parametric-speed", sys.argv[1:]))
