"""First contact: what `init` asks, checks, writes and shows, and what `probe` says of an address.

Asking (`dialogue`), deciding (pure) and writing (`file_plan`) are apart. What is to be known of chains, checks and jobs
is asked of child processes. Tests: tests/integration/test_init.py, tests/unit/test_setup_files.py,
tests/acceptance/test_first_contact.py.
"""
