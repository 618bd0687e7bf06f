"""What leaves a run while its tasks go on and after them: deliveries, the digest, the message around the database.

Imported by the delivery thread and never before the first task: these are half of the modules of a run, and its tasks
need none of them. The tree is held from then on, so they are of the same commit as the rest.
"""

from __future__ import annotations

from automation.on_call.chats import with_people
from automation.runner.digest_input import digest_input
from automation.runner.store_failure import send as send_store_failure
from monitoring.alerts.delivery.loop import Delivery
from monitoring.alerts.message.digest import record_digest
from monitoring.alerts.senders.registry import load_senders

__all__ = ["Delivery", "digest_input", "load_senders", "record_digest", "send_store_failure", "with_people"]
