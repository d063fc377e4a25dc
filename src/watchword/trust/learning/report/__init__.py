"""Own the reports of an evaluation, a night and one decision: pictures, and HTML pages that stand alone.

Publishes `page`, `night_page`, `decision_page`, `sheet` and the pictures. Refuses scripts, addresses and fonts from
elsewhere, and words unescaped.
"""

from watchword.trust.learning.report.bars import (
    attackers_picture,
    contributions_picture,
    decision_picture,
    drift_picture,
)
from watchword.trust.learning.report.charts import calibration_picture, method_name, roc_picture
from watchword.trust.learning.report.night import moved_of, night_page
from watchword.trust.learning.report.page import decision_page, page
from watchword.trust.learning.report.png import png, require_pillow, sheet
from watchword.trust.learning.report.scene import Picture
from watchword.trust.learning.report.svg import svg

__all__ = [
    "Picture",
    "attackers_picture",
    "calibration_picture",
    "contributions_picture",
    "decision_page",
    "decision_picture",
    "drift_picture",
    "method_name",
    "moved_of",
    "night_page",
    "page",
    "png",
    "require_pillow",
    "roc_picture",
    "sheet",
    "svg",
]
