"""Data keys that another machine unwrapped, for a quarter of an hour: it may be away meanwhile.

Found by their stored bytes, which are read each time: a key that was destroyed or replaced is not
found. Keys of the local keyring never come here; unwrapping them costs microseconds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

from portal.key_providers import WrapContext
from portal.keys import Cipher

MOST: Final = 1024
SECONDS: Final = 15 * 60.0

Name = tuple[WrapContext, bytes]

_held: OrderedDict[Name, tuple[float, Cipher]] = OrderedDict()
_lock = threading.Lock()


def find(context: WrapContext, wrapped: bytes) -> Cipher | None:
    """The data key, if it was unwrapped here within the last quarter of an hour."""
    with _lock:
        since, cipher = _held.get((context, wrapped), (0.0, None))
        if cipher is None:
            return None
        if time.monotonic() - since > SECONDS:
            del _held[context, wrapped]
            return None
        _held.move_to_end((context, wrapped))
        return cipher


def keep(context: WrapContext, wrapped: bytes, cipher: Cipher) -> Cipher:
    """It is found from now on; what was used least recently makes room."""
    with _lock:
        _held[context, wrapped] = time.monotonic(), cipher
        _held.move_to_end((context, wrapped))
        while len(_held) > MOST:
            _held.popitem(last=False)
    return cipher


def clear() -> None:
    """Nothing is held: the keys have changed."""
    with _lock:
        _held.clear()


def forget(organization_id: object) -> None:
    """Nothing of this organization is held: its keys were destroyed."""
    with _lock:
        for name in [one for one in _held if one[0].organization_id == organization_id]:
            del _held[name]
