"""Takes calls from the channel, runs each on the right thread, and sends the answers.

Plugins are imported and described on the main thread, one at a time, and checked on their own threads. Every
other call runs in its own daemon thread, so that a slow validation or hook delays only itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from threading import Thread  # this name, because plugins replace the module's
from typing import Any, NoReturn

from pydantic import ValidationError

from floe_core._class_names import error_name
from floe_core.host import protocol
from floe_core.host.channel import Channel, end
from floe_core.host.errors import CallError
from floe_core.host.instances import Instances
from floe_core.host.inventory import Inventory, LoadedPlugin, with_accepted_schema
from floe_core.host.main_thread import MainThread
from floe_core.host.marks import Marks
from floe_core.host.protocol import Message
from floe_core.host.verdicts import verdict_on
from floe_core.plugin_types import PluginId

_ID = re.compile(rb'\{"jsonrpc":"2\.0","id":(\d+),')
_FLUSH_LIMIT = 5.0


class Server:
    """The host's side of the protocol."""

    def __init__(self, channel: Channel, marks: Marks) -> None:
        self._channel = channel
        self._marks = marks
        self._main = MainThread()
        self._inventory = Inventory()
        self._instances = Instances(marks)
        self._methods: dict[str, Callable[[Any], Message | None]] = {
            "scan": self._scan,
            "describe": self._describe,
            "validate": self._validate,
            "start": self._start,
            "check": self._check,
            "stop": self._stop,
            "shutdown": self._shutdown,
        }

    def serve(self, handshake: protocol.Handshake) -> NoReturn:
        """Report that the host is ready and answer until the end of input; call it from the main thread."""
        ready = {"jsonrpc": "2.0", "method": "ready", "params": handshake.model_dump()}
        self._channel.send(json.dumps(ready).encode() + b"\n")
        Thread(target=self._read, name="floe-host-reader", daemon=True).start()
        self._main.serve()

    def _read(self) -> None:
        try:
            for line in self._channel.lines():
                self._take(line)
        except OSError as error:
            end(f"the pipe from the operator is gone: {error.strerror}")
        except BaseException as error:  # noqa: BLE001 - without this thread, no call would be answered
            end(f"calls can no longer be read: {error_name(error)}")
        end()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._send_unreadable(line, error)
            return
        match message:
            case {"jsonrpc": "2.0", "id": int(call_id), "method": "ping"}:
                self._channel.send(_line(call_id, "result", "null"))
            case {"jsonrpc": "2.0", "id": int(call_id), "method": str(method)} if method in self._methods:
                self._dispatch(call_id, method, message.get("params"))
            case {"id": int(call_id)}:
                self._send_error(call_id, CallError(protocol.METHOD_NOT_FOUND, "unknown method"))
            case _:
                end("received a message that is not a call")

    def _dispatch(self, call_id: int, method: str, params: Any) -> None:
        if method == "describe":
            self._main.post(lambda: self._do(call_id, method, params))
            return
        if method == "check" and self._post_check(call_id, params):
            return
        work = Thread(target=self._do, args=(call_id, method, params), name=method, daemon=True)
        try:
            work.start()
        except BaseException as error:  # noqa: BLE001 - plugins replace what a thread is started with
            said = f"the host cannot start a thread: {error_name(error)}"
            self._send_error(call_id, CallError(protocol.INTERNAL_ERROR, said))

    def _post_check(self, call_id: int, params: Any) -> bool:
        """Have the plugin's own thread answer a check; return False if it cannot."""
        try:
            given = protocol.HookParams.model_validate(params)
            plugin = given.plugin
        except ValueError:
            return False  # the thread of the call says what is wrong
        return self._instances.post_check(plugin, given.timeout, lambda: self._do(call_id, "check", params))

    def _do(self, call_id: int, method: str, params: Any) -> None:
        try:
            self._answer(call_id, method, params)
        except CallError as error:
            self._send_error(call_id, error)
        except BaseException as error:  # noqa: BLE001 - every call is answered
            said = f"{method} raised {error_name(error)}"
            self._send_error(call_id, CallError(protocol.INTERNAL_ERROR, said))
        if method == "shutdown":
            self._channel.flush(_FLUSH_LIMIT)
            end()

    def _answer(self, call_id: int, method: str, params: Any) -> None:
        try:
            result = self._methods[method](params)
        except ValidationError:
            raise CallError(protocol.INVALID_PARAMS, f"invalid parameters for {method}") from None
        try:
            line = _line(call_id, "result", "null" if result is None else result.model_dump_json())
        except Exception as error:  # noqa: BLE001 - plugin text that is no valid Unicode, for example
            said = f"the answer to {method} cannot be serialized: {error_name(error)}"
            raise CallError(protocol.INTERNAL_ERROR, said) from None
        if len(line) > protocol.MAX_LINE_BYTES:
            said = f"the answer has {len(line)} bytes; a message can have at most {protocol.MAX_LINE_BYTES}"
            raise CallError(protocol.ANSWER_TOO_LARGE, said)
        self._channel.send(line)

    def _scan(self, params: Any) -> Message | None:
        given = protocol.ScanParams.model_validate(params or {})
        return self._inventory.scan(unless_changed=given.unless_changed)

    def _describe(self, params: Any) -> Message:
        given = protocol.DescribeParams.model_validate(params)
        plugin = _plugin(given)
        with self._marks.around(plugin):
            loaded = self._inventory.load(plugin)
            return with_accepted_schema(loaded) if given.accepted_schema else loaded.message

    def _validate(self, params: Any) -> Message:
        given = protocol.ValidateParams.model_validate(params)
        plugin = _plugin(given)
        loaded = self._loaded(plugin)
        with self._marks.around(plugin):
            return verdict_on(plugin, loaded, given.config, given.plain)

    def _start(self, params: Any) -> None:
        given = protocol.StartParams.model_validate(params)
        plugin = _plugin(given)
        self._instances.start(plugin, self._loaded(plugin), given.config)

    def _check(self, params: Any) -> Message:
        given = protocol.HookParams.model_validate(params)
        return self._instances.check(_plugin(given), given.timeout)

    def _stop(self, params: Any) -> None:
        self._instances.stop(_plugin(protocol.HookParams.model_validate(params)))

    def _shutdown(self, params: Any) -> None:
        self._instances.stop_all(protocol.ShutdownParams.model_validate(params).timeout)

    def _loaded(self, plugin: PluginId) -> LoadedPlugin:
        loaded = self._inventory.loaded(plugin)
        if isinstance(loaded, LoadedPlugin):
            return loaded
        return self._main.run(lambda: self._load(plugin))

    def _load(self, plugin: PluginId) -> LoadedPlugin:
        with self._marks.around(plugin):
            return self._inventory.load(plugin)

    def _send_error(self, call_id: int, error: CallError) -> None:
        written: dict[str, Any] = {"code": error.code, "message": error.message}
        try:
            if error.data is not None:
                written["data"] = error.data.model_dump()
            line = _line(call_id, "error", json.dumps(written, ensure_ascii=False))
        except BaseException:  # noqa: BLE001 - every call is answered
            plain = {"code": protocol.INTERNAL_ERROR, "message": "the error cannot be serialized"}
            line = _line(call_id, "error", json.dumps(plain))
        self._channel.send(line)

    def _send_unreadable(self, line: bytes, error: Exception) -> None:
        found = _ID.match(line)
        if found is None:
            end("received a message that is not JSON")
        nested = isinstance(error, RecursionError)
        said = "the parameters are nested too deeply" if nested else "the parameters are not JSON"
        self._send_error(int(found[1]), CallError(protocol.INVALID_PARAMS, said))


def _line(call_id: int, key: str, written: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{call_id},"{key}":{written}}}\n'.encode("utf-8", "replace")


def _plugin(params: protocol.PluginRef) -> PluginId:
    try:
        return params.plugin
    except ValueError:
        raise CallError(protocol.NOT_FOUND, "unknown plugin type") from None
