"""Many `eth_call` by web3.py as its documentation has it: `batch_requests`, as many in one as the provider takes.

Run: `python web3_batches.py FILE`; the file holds JSON, `{"url": [["0xtarget", "0xdata"], …]}`. web3.py has no
multicall of its own: who wants one contract call for many adds a package or writes it.
"""

import json
import sys
from pathlib import Path

from web3 import HTTPProvider, Web3

MOST = 50
for url, calls in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
    w3 = Web3(HTTPProvider(url))
    for first in range(0, len(calls), MOST):
        with w3.batch_requests() as batch:
            for target, data in calls[first : first + MOST]:
                batch.add(w3.eth.call({"to": Web3.to_checksum_address(target), "data": data}))
            batch.execute()
