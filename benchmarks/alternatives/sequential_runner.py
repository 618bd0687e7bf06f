"""What one would write first to run a profile: read jobs.yaml, start one interpreter a task, wait, record nothing.

Run in a checkout: `python sequential_runner.py [PROFILE]`.
"""

import subprocess
import sys
from pathlib import Path

import yaml

profiles = yaml.safe_load(Path("automation/jobs.yaml").read_text(encoding="utf-8"))["profiles"]
for name in sys.argv[1:] or profiles:
    for task in profiles[name]["tasks"]:
        subprocess.run([sys.executable, task["script"]], check=False)
