# SPDX-License-Identifier: GPL-2.0-or-later
"""The search for flows runs on a machine of its own: see stage.py."""

import sys
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent)]
