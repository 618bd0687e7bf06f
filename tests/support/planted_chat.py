"""What is wrong with the reading of the chat, planted on a sound host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from monitoring.base.locks import chat_reader
from monitoring.base.locks.profile_lock import SingleLock
from tests.support.sound_host import SoundHost

ON_CALL = """\
zone: UTC
people: {ana: {telegram_id: 111}}
escalation: {critical: {steps: [{after: 5m, to: everybody}]}}
"""


def escalate_without_reader(sound: SoundHost) -> None:
    (sound.checkout / "automation" / "on_call.yaml").write_text(ON_CALL)


def read_chat(*, problem: str = "", age: timedelta = timedelta(0)) -> Callable[[SoundHost], None]:
    def plant(sound: SoundHost) -> None:
        escalate_without_reader(sound)
        lock = SingleLock(sound.cache / "locks", chat_reader.KIND)
        lock.take_or_refuse()
        sound.stack.callback(lock.release)
        state = chat_reader.state_of_poll(chat_reader.ReaderState("1", "a_bot"), sound.now - age)
        state = chat_reader.state_of_poll(state, sound.now, problem) if problem else state
        chat_reader.write_state(sound.cache / "locks", state)

    return plant
