"""A language model behind an address of this machine, which says what it is told to."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from farsighted.candidates.judge import Judge


class Stub:
    """A server on this machine that answers as it is told, and keeps what it was asked.

    `plan` says what is answered to a text that holds a word: a list of status and answer. Bytes are sent as they are,
    and status 0 hangs up.
    """

    def __init__(self, seconds=0.0):
        self.asked, self.headers, self.plan = [], [], {}
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.asked.append(body)
                stub.headers.append(dict(self.headers))
                text = body["messages"][0]["content"]
                name = next((name for name in stub.plan if f" {name}" in text), None)
                status, answer = stub.plan[name].pop(0) if name and stub.plan[name] else (200, "Grade: 4")
                time.sleep(seconds)
                if not status:
                    return
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.end_headers()
                usage = {"prompt_tokens": 10, "completion_tokens": 2}
                found = {"choices": [{"message": {"content": answer}}], "usage": usage}
                raw = answer if isinstance(answer, bytes) else json.dumps(found).encode()
                self.wfile.write(raw if status == 200 else b"no")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def judge(self, **changes):
        fields = {
            "url": f"http://127.0.0.1:{self.server.server_port}/v1",
            "model": "m",
            "question": "Rate {prompt} and {response}",
            "lowest": 0,
            "highest": 5,
            "requests_per_minute": 600,
            "retries": 3,
            "timeout_seconds": 5,
        }
        return Judge(**fields | changes)
