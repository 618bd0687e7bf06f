"""The outbox: where an alert goes, who takes it, at what pace, and how an attempt ends.

To find out why an alert was not sent read `states` (every state, its cause, its command), then the module it names:
`routes` (channel to destination), `lease` (which message is next), `pace` (limits, refusals, pauses), `outbox` (each
change of a state); `loop` and `workers` run them. A new destination is a file in `senders`, nothing here. At least
once, never "delivered" before the destination accepted it. Tests: tests/integration/test_delivery.py,
tests/unit/test_ways.py, tests/unit/test_pacing.py, tests/integration/test_alert_show.py, tests/cases/test_a*.py.
"""
