# SPDX-License-Identifier: Apache-2.0
"""The endpoint's WebSocket: a realtime session (realtime.py), once its handshake came."""


async def serve(connection, request, record):
    """Ends with the session. What the client's first flight brought behind its head goes to the session, too."""
    import realtime

    first = [bytes(connection.buffer)]
    connection.buffer.clear()

    async def read():
        if first and (data := first.pop()):
            return data
        return await connection.reader.read(1 << 16)

    record["protocol"] = "websocket"
    await realtime.serve(read, connection.write, request.target, request.headers, record)
