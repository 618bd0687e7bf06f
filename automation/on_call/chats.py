"""The people of on_call.yaml as channels: each has the chat of their Telegram account unless the env file says another.

Whatever delivers from `automation` uses these settings; elsewhere a person's alert goes to the default chat.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from automation.on_call import path_of
from automation.on_call.load import load_on_call
from automation.on_call.model import CHANNEL
from monitoring.alerts.channels import variable_part
from monitoring.base.errors import ConfigError
from monitoring.base.settings import Settings

log = logging.getLogger("automation.on_call")


def with_people(settings: Settings, jobs_file: Path) -> Settings:
    """Return the settings in which each person has a chat; a file with mistakes, which a run reports, adds nobody."""
    path = path_of(jobs_file)
    try:
        team = load_on_call(path)
    except ConfigError:
        log.warning("%s has mistakes: alerts for people go to the default chat; `validate` lists them", path)
        return settings
    chats = {
        f"TELEGRAM_CHAT_ID_{variable_part(CHANNEL + name)}": str(person.telegram_id)
        for name, person in (team.people.items() if team else ())
        if person.telegram_id is not None
    }
    return replace(settings, environ={**chats, **settings.environ}) if chats else settings
