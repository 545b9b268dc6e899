# SPDX-License-Identifier: MIT
"""A real gRPC server and client (Debian's python3-grpcio), with messages of plain bytes: no compiler of
.proto files is needed. The server has every kind of call, and grpc.health.v1."""
import hashlib
import threading
from concurrent import futures

import grpc

SERVICE = "e2e.App"
ALIASES = ("e2e.Secure", "e2e.Hang", "e2e.Added")      # the same, for locations of their own
SERVING, NOT_SERVING = 1, 2
LARGEST = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


class GrpcApp:
    """pair: (key, certificate) as bytes, for grpcs://. Calls of SERVICE:

    Echo     one message, one back, with the client's metadata x-* in the head and in the trailers
    Expand   b"COUNT SIZE" -> so many messages of that size
    Gather   many messages -> b"COUNT SHA256" of them all
    Chat     each message comes back at once
    Fail     b"CODE words" -> that status, with trailers
    Hang     nothing until the client goes; then `gone` is set"""

    def __init__(self, pair=None, port=0, client_ca=None):
        self.gone = threading.Event()
        self.calls = []                  # (name, metadata)
        self.health = SERVING
        self.checked = []                # services that grpc.health.v1 was asked for
        self.pool = futures.ThreadPoolExecutor(max_workers=32)
        self.server = grpc.server(self.pool, options=LARGEST)
        calls = {
            "Echo": grpc.unary_unary_rpc_method_handler(self._echo),
            "Expand": grpc.unary_stream_rpc_method_handler(self._expand),
            "Gather": grpc.stream_unary_rpc_method_handler(self._gather),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self._hang)}
        check = {"Check": grpc.unary_unary_rpc_method_handler(self._check)}
        self.server.add_generic_rpc_handlers((
            *(grpc.method_handlers_generic_handler(name, calls) for name in (SERVICE, *ALIASES)),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", check)))
        if pair:
            credentials = grpc.ssl_server_credentials([pair], client_ca, client_ca is not None)
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        else:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def stop(self):
        self.server.stop(None).wait(5)
        self.pool.shutdown(wait=False)

    def _note(self, name, call):
        self.calls.append((name, [(key, value) for key, value in call.invocation_metadata()]))

    def _echo(self, message, call):
        self._note("Echo", call)
        own = [(key, value) for key, value in call.invocation_metadata() if key.startswith("x-")]
        call.send_initial_metadata(own)
        call.set_trailing_metadata([("t" + key, value) for key, value in own])
        return message

    def _expand(self, message, call):
        self._note("Expand", call)
        count, size = map(int, message.split())
        for i in range(count):
            yield b"%d " % i + bytes(size)

    def _gather(self, messages, call):
        self._note("Gather", call)
        count, digest = 0, hashlib.sha256()
        for message in messages:
            count += 1
            digest.update(message)
        return f"{count} {digest.hexdigest()}".encode()

    def _chat(self, messages, call):
        self._note("Chat", call)
        yield from messages

    def _fail(self, message, call):
        self._note("Fail", call)
        code, _, words = message.decode().partition(" ")
        call.set_trailing_metadata([("x-why", "because"), ("x-raw-bin", b"\0\1\xff")])
        call.abort(next(one for one in grpc.StatusCode if one.name == code), words)

    def _hang(self, unused, call):
        self._note("Hang", call)
        left = threading.Event()             # this call's own: the end of another one must not end it

        def leave():
            left.set()
            self.gone.set()
        call.add_callback(leave)
        left.wait(30)
        return b""

    def _check(self, message, call):
        self._note("Check", call)
        self.checked.append(message[2:].decode() if message else "")
        return b"\x08" + bytes([self.health])


class GrpcClient:
    """ca: what to trust (bytes), for TLS; name: whom the certificate must name."""

    def __init__(self, address, ca=None, name="localhost"):
        if ca:
            self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca), options=[
                ("grpc.ssl_target_name_override", name), *LARGEST])
        else:
            self.channel = grpc.insecure_channel(address, options=LARGEST)

    def call(self, kind, name, service=SERVICE):
        """kind: "unary_unary", "unary_stream", "stream_unary" or "stream_stream"."""
        return getattr(self.channel, kind)(f"/{service}/{name}")

    def echo(self, message=b"hello", timeout=10, **options):
        return self.call("unary_unary", "Echo")(message, timeout=timeout, **options)

    def failure(self, name, message=b"", timeout=10, **options):
        """The grpc.RpcError of a call that must fail."""
        try:
            self.call("unary_unary", name)(message, timeout=timeout, **options)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{name} did not fail")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.channel.close()
