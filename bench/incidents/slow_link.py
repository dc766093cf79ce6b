"""A TCP relay on the loopback address that carries a limited number of bytes a second towards the clients."""

from __future__ import annotations

import asyncio
import threading
import time

CHUNK = 16_384


class SlowLink:
    def __init__(self, port: int, to_port: int, bytes_per_s: float) -> None:
        self._port, self._to_port, self._rate = port, to_port, bytes_per_s
        self._loop = asyncio.new_event_loop()
        self._free_at = 0.0  # when the link has carried all that was put on it so far

    def __enter__(self) -> SlowLink:
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self._port))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """Connections that are open are cut."""
        self._server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for one in open_ones:
            one.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to_port)
        await asyncio.gather(
            self._carry(reader, to_server, limited=False), self._carry(from_server, writer, limited=True)
        )

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, limited: bool) -> None:
        try:
            while data := await source.read(CHUNK):
                if limited:
                    self._free_at = max(self._free_at, time.monotonic()) + len(data) / self._rate
                    await asyncio.sleep(self._free_at - time.monotonic())
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
