"""The eleven verbs. Each module has a policy and `judge(before, reading, now, policy) -> Outcome`, a pure function."""
