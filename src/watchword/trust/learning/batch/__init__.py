"""Own the batch plane: peer groups, the isolation forest as flat arrays, drift of indicators.

Publishes `Forest`, `PeerGroups`, `drift` and what makes them. Refuses to let scikit-learn or Polars into anything that
scores: they fit at night, and what they found is read without them.
"""

from watchword.trust.learning.batch.drift import Drift, Stability, drift, psi
from watchword.trust.learning.batch.fitting import export_forest, fit_forest
from watchword.trust.learning.batch.forest import Forest
from watchword.trust.learning.batch.nightly import (
    FOREST_FEATURES,
    Night,
    Unusual,
    keep,
    kept_forest,
    kept_peers,
    night,
    peers_file,
    unusual_since,
)
from watchword.trust.learning.batch.peers import PeerGroups, continued, peer_groups
from watchword.trust.learning.batch.tables import resources_used

__all__ = [
    "FOREST_FEATURES",
    "Drift",
    "Forest",
    "Night",
    "PeerGroups",
    "Stability",
    "Unusual",
    "continued",
    "drift",
    "export_forest",
    "fit_forest",
    "keep",
    "kept_forest",
    "kept_peers",
    "night",
    "peer_groups",
    "peers_file",
    "psi",
    "resources_used",
    "unusual_since",
]
