# SPDX-License-Identifier: Apache-2.0
"""The endpoint's WebSocket: a realtime session (realtime.py), from its handshake on."""

import time


async def serve(connection, request, record):
    """Ends with the session. What came behind the client's handshake goes to the session, too."""
    import realtime

    first = [bytes(connection.buffer)]
    connection.buffer.clear()

    async def read():
        if first and (data := first.pop()):
            return data
        return await connection.reader.read(1 << 16)

    record["times"]["request"] = time.time()
    record["status"] = 101
    await realtime.serve(read, connection.write, request.target, request.headers, record)
    record["response_complete"] = True
