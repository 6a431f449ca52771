"""What every run of a batch needs, imported once: the processes of the runs are forked from one that has done so."""

# ruff: noqa: F401  (imported for those that come later)
import scipy.optimize
import sklearn.cluster
import sklearn.metrics

import recombine.worker
from recombine.torchvision_import import torchvision

# It takes longer than all the others together.
torchvision()
