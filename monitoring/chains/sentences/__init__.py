"""What a call means in one sentence: patterns from data files, filled with the call's own values.

Nothing here judges: a sentence makes no transaction louder, quieter or left out.
Tests: tests/unit/test_sentences.py, tests/integration/test_reading_on_a_chain.py.
"""
