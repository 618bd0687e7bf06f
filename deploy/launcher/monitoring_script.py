"""Lets `python protocols/NAME/main.py` find `utils`: Python itself looks only into the folder of the script.

`make sync` copies this file into the venv and monitoring_script.pth next to it, which every Python of the venv runs
first. It acts only where Python was given a file, and adds the checkout that the script lies in. It uses the standard
library alone, and never keeps a Python from starting.
"""

import os
import sys

_SIGN = os.path.join("utils", "monitor.py")  # what makes a folder a checkout


def checkout_of(command: list[str]) -> str:
    """Return the checkout of the script in a command line of Python, or nothing."""
    for word in command[1:]:
        if word[:2] in ("-m", "-c") or word == "-":
            return ""  # these look into the working directory by themselves
        if word.endswith(".py"):
            script = os.path.realpath(word)
            checkout = _checkout_around(script)
            # The fork server's path becomes that of its tasks, which has the checkout in its place already.
            return "" if script.startswith(os.path.join(checkout, "automation", "")) else checkout
    return ""


def _checkout_around(path: str) -> str:
    parent = os.path.dirname(path)
    while parent != path:
        if os.path.exists(os.path.join(parent, _SIGN)):
            return parent
        path, parent = parent, os.path.dirname(parent)
    return ""


try:
    if (checkout := checkout_of(sys.orig_argv)) and checkout not in sys.path:
        sys.path.append(checkout)
except Exception as error:  # noqa: BLE001 - a border: whatever goes wrong here, the script itself is started
    sys.stderr.write(f"monitoring_script: {type(error).__name__}: {error}\n")
