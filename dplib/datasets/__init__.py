"""The data sets of §4.2, and your own images: ``load(name)``, ``verify(data)``."""

from dplib.datasets.catalog import NAMES as NAMES
from dplib.datasets.catalog import load as load
from dplib.datasets.catalog import protocol_keywords as protocol_keywords
from dplib.datasets.near import left_out as left_out
from dplib.datasets.splits import validation_split as validation_split
from dplib.datasets.verification import PUBLISHED as PUBLISHED
from dplib.datasets.verification import counts as counts
from dplib.datasets.verification import verify as verify
