"""Write what scikit-learn says, for tests/conformance/trust: `python tools/scikit_vectors.py FILE`."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

_TREE = ("children_left", "children_right", "feature", "threshold", "n_node_samples")


def forest(drawn: Any) -> dict[str, Any]:
    """Fit a small forest; keep its trees, and what it says of rows, ordinary and absurd ones."""
    rows = drawn.normal(size=(200, 4))
    rows[:, 2] = np.round(rows[:, 2])
    others = np.vstack([drawn.normal(size=(20, 4)) * 2, rows[:5], np.zeros((1, 4)), np.full((1, 4), 1e30)])
    fitted = IsolationForest(n_estimators=8, max_samples=32, random_state=7).fit(rows)
    return {
        "n_features_in_": 4,
        "max_features": 1.0,
        "max_samples_": int(fitted.max_samples_),
        "trees": [{name: getattr(each.tree_, name).tolist() for name in _TREE} for each in fitted.estimators_],
        "rows": others.tolist(),
        "scores": (-fitted.score_samples(others)).tolist(),
    }


def ranking(chance: random.Random, count: int) -> dict[str, Any]:
    """Draw scores with ties."""
    scores = [round(chance.gauss(0, 1), 1) for _ in range(count)]
    labels = [chance.random() < 0.3 or place == 0 for place in range(count)]  # noqa: PLR2004  # a share
    labels[-1] = False
    wrong, right, _ = roc_curve(labels, scores, drop_intermediate=False)
    return {
        "scores": scores,
        "labels": labels,
        "auc": roc_auc_score(labels, scores),
        "tpr_at_1pct": float(max(right[wrong <= 0.01])),  # noqa: PLR2004  # as it is called
        "tpr_at_20pct": float(max(right[wrong <= 0.2])),  # noqa: PLR2004  # as above
    }


def regression(drawn: Any) -> dict[str, Any]:
    """Fit a regression that is pulled towards 0."""
    strength = 4.0
    values = drawn.normal(size=(120, 3))
    labels = values @ [1.2, -0.5, 0.0] + drawn.normal(size=120) > 0.3  # noqa: PLR2004  # anything
    fitted = LogisticRegression(C=1 / strength, tol=1e-12, max_iter=10_000).fit(values, labels)
    return {
        "values": values.tolist(),
        "labels": labels.tolist(),
        "strength": strength,
        "weights": fitted.coef_[0].tolist(),
        "intercept": float(fitted.intercept_[0]),
    }


def staircase(drawn: Any, chance: random.Random) -> dict[str, Any]:
    """Fit steps that never fall."""
    margins = [round(float(margin), 1) for margin in drawn.normal(size=80) * 2]
    labels = [chance.random() < 1 / (1 + math.exp(-margin)) for margin in margins]
    at = sorted(set(margins))
    fitted = IsotonicRegression().fit(margins, labels).predict(at)
    return {"margins": margins, "labels": labels, "at": at, "fitted": [float(value) for value in fitted]}


def main(path: str) -> None:
    """Write them all."""
    drawn, chance = np.random.default_rng(7), random.Random(5)  # noqa: S311  # the same every time
    found = {
        "made_by": f"scikit-learn {sklearn.__version__}",
        "forest": forest(drawn),
        "ranking": [ranking(chance, count) for count in (5, 40, 200)],
        "regression": regression(drawn),
        "isotonic": staircase(drawn, chance),
    }
    Path(path).write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
