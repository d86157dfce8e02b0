"""ToyMarket: drawn people, their pictures, and the data set that is made of them.

A picture grows from ``people`` (who somebody is) over ``body``, ``cloth``, ``limbs``,
``trunk``, ``heads`` and ``figures`` (how that person is drawn), ``scenes`` (where) and
``cameras`` (through which camera) to ``pictures``; ``shots`` decides which pictures the
set has, ``generation`` writes it.
"""

from dplib.toymarket.generation import VERSION as VERSION
from dplib.toymarket.generation import generate as generate
from dplib.toymarket.generation import generator_hash as generator_hash
from dplib.toymarket.masks import masks as masks
from dplib.toymarket.people import CUES as CUES
from dplib.toymarket.people import DIFFICULTY as DIFFICULTY
from dplib.toymarket.people import Difficulty as Difficulty
from dplib.toymarket.people import Identity as Identity
from dplib.toymarket.people import identity as identity
from dplib.toymarket.pictures import VIEWPOINTS as VIEWPOINTS
from dplib.toymarket.pictures import Conditions as Conditions
from dplib.toymarket.pictures import draw as draw
from dplib.toymarket.shots import IMAGE_FOLDERS as IMAGE_FOLDERS
from dplib.toymarket.shots import Shot as Shot
