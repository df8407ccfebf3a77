"""How often a passage that gives orders is obeyed; the same as `memapp bench injections`."""

import sys

from memapp.evaluate import bench

sys.exit(bench.run("injections", sys.argv[1:]))
