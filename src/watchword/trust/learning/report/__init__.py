"""Own the report of an evaluation: pictures, and one HTML page that stands alone.

Publishes `page`, `sheet` and the pictures. Refuses scripts, addresses and fonts from elsewhere, and words unescaped.
"""

from watchword.trust.learning.report.charts import calibration_picture, contributions_picture, roc_picture
from watchword.trust.learning.report.page import page
from watchword.trust.learning.report.png import png, require_pillow, sheet
from watchword.trust.learning.report.scene import Picture
from watchword.trust.learning.report.svg import svg

__all__ = [
    "Picture",
    "calibration_picture",
    "contributions_picture",
    "page",
    "png",
    "require_pillow",
    "roc_picture",
    "sheet",
    "svg",
]
