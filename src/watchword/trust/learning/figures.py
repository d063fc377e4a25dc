"""Name the figures of an evaluation, for benchmarks and programs."""

from __future__ import annotations

from collections.abc import Iterator

from watchword.trust.learning.evaluation import EVERYBODY, Evaluation, Measured

_DIGITS = 4


def figures(evaluation: Evaluation) -> dict[str, float]:
    """Return every figure by name: `auc_naive`, `if_auc_all`, `tpr_at_1pct_fpr_50_labels`, `reauth_rate_12`, `ece`."""
    found: dict[str, float] = dict(_of(evaluation.own))
    found |= _probabilities(evaluation.own)
    for name, measured in evaluation.rivals.items():
        found |= {f"{name}_{key}": value for key, value in _of(measured)}
    if evaluation.with_labels is not None:
        suffix = f"_{len(evaluation.labels)}_labels"
        found |= {f"{key}{suffix}": value for key, value in _of(evaluation.with_labels)}
        found |= {f"{key}{suffix}": value for key, value in _probabilities(evaluation.with_labels).items()}
    return {**found, **_counts(evaluation)}


def _of(measured: Measured) -> Iterator[tuple[str, float]]:
    for attacker, quality in measured.by_attacker.items():
        yield f"auc_{attacker}", round(quality.auc, _DIGITS)
        of = "" if attacker == EVERYBODY else f"_{attacker}"
        yield f"tpr_at_1pct_fpr{of}", round(quality.tpr_at_1pct_fpr, _DIGITS)
    for count, rate in measured.reauthentication.items():
        yield f"reauth_rate_{count}", round(rate, _DIGITS)
    for count, rate in measured.median_reauthentication.items():
        yield f"reauth_median_{count}", round(rate, _DIGITS)


def _probabilities(measured: Measured) -> dict[str, float]:
    given = {"ece": measured.ece, "brier": measured.brier}
    return {name: round(value, _DIGITS) for name, value in given.items() if value is not None}


def _counts(evaluation: Evaluation) -> dict[str, int]:
    everybody = evaluation.own.by_attacker.get(EVERYBODY)
    return {
        "acts": evaluation.acts,
        "log_ins": everybody.owners if everybody else 0,
        "attacks": everybody.attacks if everybody else 0,
        "unreadable": evaluation.unreadable,
    }
