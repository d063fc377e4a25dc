"""How surprising a count is for somebody whose usual rate is known only roughly."""

from __future__ import annotations

from math import log


def surprise(count: float, usual: float, certainty: float) -> float:
    """Return at least how unlikely so high a count is, as minus the natural logarithm of its probability.

    The count is Poisson, its rate Gamma distributed with mean `usual` and shape `certainty`, which together make a
    negative binomial distribution. This is the Chernoff bound of its upper tail: closed, monotonous, never too large.

    Args:
        usual: above 0.
        certainty: how many occurrences the usual rate is known from; above 0, and the lower the more is forgiven.

    Source: Gelman et al., Bayesian Data Analysis, section 2.6, for the pair; Chernoff 1952 for the bound.
    """
    if not count > usual:
        return 0.0
    both = count + certainty
    return count * log(count * (certainty + usual) / (both * usual)) - certainty * log(both / (certainty + usual))
