"""What the parametric memory is worth on texts; the same as `memapp bench parametric`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("parametric", sys.argv[1:]))
