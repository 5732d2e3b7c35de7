"""A door before PostgreSQL that can be shut in the last step of a transaction, before or after it was taken up."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

END = b"COMMIT"
SOCKET = ".s.PGSQL.5432"


class Door:
    """Forwards every byte; at a commit it does what ``shut`` says: "before" or "after" the server has heard of it.

    ``gone`` lets nobody in any more from then on.
    """

    def __init__(self, host: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thecal-door-"))
        self._server = str(Path(host) / SOCKET)
        self.shut: str | None = None
        self.gone = False
        self.shut_count = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / SOCKET))
        self._listening.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        """The address of a database behind the door."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def close(self) -> None:
        """Let nobody in."""
        self._listening.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.gone:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            threading.Thread(target=self._out, args=(client, server), daemon=True).start()
            threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _out(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self.shut and END in data:
                    self._end(client, server, data)
                    return
                server.sendall(data)
        _close(server)

    def _end(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        how, self.shut = self.shut, None
        self.shut_count += 1
        client.shutdown(socket.SHUT_RDWR)
        if how == "after":
            server.sendall(data)
            server.settimeout(5)
            with suppress(OSError):
                server.recv(65536)  # what it says is heard by nobody
        _close(client)
        _close(server)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _close(client)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
