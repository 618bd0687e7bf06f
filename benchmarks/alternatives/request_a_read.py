"""One JSON-RPC request for each read, on a kept connection: what a script does that reads value by value.

Run: `python request_a_read.py FILE`; the file holds JSON, `{"url": [["0xtarget", "0xdata"], …]}`.
"""

import http.client
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

for url, calls in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")).items():
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for target, data in calls:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": target, "data": data}, "latest"]}
        connection.request("POST", "/", json.dumps(asked), {"Content-Type": "application/json"})
        connection.getresponse().read()
