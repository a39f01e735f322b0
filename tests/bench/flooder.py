"""Floods one address from a process of its own: `flooder.py port path headers seconds per_second`.

Says how many were sent and how many refused. Each line keeps its connection.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter

LINES = 4


def flood(port: int, path: str, headers: dict[str, str], span: float, every: float) -> Counter[int]:
    """One line: the same signed message again and again, at its share of the pace."""
    client, answers = http.client.HTTPConnection("127.0.0.1", port, timeout=30), Counter[int]()
    due = time.monotonic()
    end = due + span
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        client.request("POST", path, b"{}", headers)
        answer = client.getresponse()
        answer.read()
        answers[answer.status] += 1
        due = max(due + every, time.monotonic() - 0.1)  # who is late does not catch up for ever
    client.close()
    return answers


def main(words: list[str]) -> None:
    port, path, headers = int(words[0]), words[1], json.loads(words[2])
    span, per_second = float(words[3]), float(words[4])
    found: list[Counter[int]] = []
    lines = [
        threading.Thread(
            target=lambda: found.append(flood(port, path, headers, span, LINES / per_second))
        )
        for _ in range(LINES)
    ]
    for line in lines:
        line.start()
    for line in lines:
        line.join()
    print(json.dumps(sum(found, Counter[int]())))


if __name__ == "__main__":
    main(sys.argv[1:])
