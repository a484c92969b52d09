"""Calling methods (OPC 10000-4 5.12): who may, with which arguments; what the methods do stands in `plant_methods`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from asyncua import ua

from opcua_server.access.roles import Right
from opcua_server.address.nodes import SCALAR, Argument, Nodes, here
from opcua_server.address.texts import Text
from opcua_server.protocol.sessions import Session
from twin.errors import BatchtwinError

Code = ua.StatusCodes
INTEGERS = {2: (-128, 127), 3: (0, 255), 4: (-(2**15), 2**15 - 1), 5: (0, 2**16 - 1), 6: (-(2**31), 2**31 - 1), 7: (0, 2**32 - 1), 8: (-(2**63), 2**63 - 1), 9: (0, 2**64 - 1)}  # fmt: skip
REALS = (10, 11)
REFUSED = {"E301": Code.BadInvalidArgument, "E302": Code.BadNotWritable, "E304": Code.BadInvalidState, "E305": Code.BadInvalidState}


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        objects: NodeIds through which it may be called.
        run: takes the session and the arguments, returns the output values, or awaits them.
        right: what the caller must be allowed.
        of_object: `run` takes the NodeId of the object, too, after the session.
    """

    objects: Collection[ua.NodeId]
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    right: Right
    run: Callable[..., Any]
    of_object: bool = False


class Methods:
    """All methods of the server."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._by_node: dict[ua.NodeId, Method] = {}

    def add(
        self,
        name: str,
        text: Text,
        right: Right,
        run: Callable[..., Any],
        inputs: tuple[Argument, ...] = (),
        outputs: tuple[Argument, ...] = (),
    ) -> ua.NodeId:
        """A method of ours, `Object.Name`."""
        owner = here(name.rsplit(".", 1)[0])
        node = self.nodes.method(name, owner, text, inputs, outputs)
        self._by_node[node] = Method((owner,), inputs, outputs, right, run)
        return node

    def bind(self, node: ua.NodeId, method: Method) -> None:
        """Give a method of the standard its behaviour."""
        self._by_node[node] = method

    def right(self, node: ua.NodeId) -> Right | None:
        """What calling a method needs; None for a node that is none of ours."""
        method = self._by_node.get(node)
        return method.right if method else None

    def call(self, request: ua.CallMethodRequest, session: Session) -> ua.CallMethodResult | Awaitable[ua.CallMethodResult]:
        """Call one method; returns the result, or what to await for it. Never raises."""
        if request.ObjectId not in self.nodes.space:
            return failed(Code.BadNodeIdUnknown)
        method = self._by_node.get(request.MethodId)
        if method is None or request.ObjectId not in method.objects:
            return failed(Code.BadMethodInvalid)
        if not session.may(method.right):
            session.last_error = f"{session.who} lacks the right '{method.right}'"
            return failed(Code.BadUserAccessDenied)
        given = request.InputArguments or []
        if len(given) != len(method.inputs):
            return failed(Code.BadArgumentsMissing if len(given) < len(method.inputs) else Code.BadTooManyArguments)
        values, codes = [], []
        for argument, variant in zip(method.inputs, given, strict=True):
            value, code = _argument(argument, variant)
            values.append(value)
            codes.append(ua.StatusCode(code))
        if any(code.value for code in codes):
            result = failed(Code.BadInvalidArgument)
            result.InputArgumentResults = codes
            return result
        try:
            outputs = method.run(session, *([request.ObjectId] if method.of_object else []), *values)
        except Exception as error:
            return _refused(error, session)
        return self._awaited(outputs, method, session, codes) if inspect.isawaitable(outputs) else _answer(outputs, method, codes)

    async def _awaited(self, outputs: Awaitable[Any], method: Method, session: Session, codes: list[ua.StatusCode]) -> ua.CallMethodResult:
        try:
            return _answer(await outputs, method, codes)
        except Exception as error:
            return _refused(error, session)


def failed(code: int) -> ua.CallMethodResult:
    """A result that says only what is wrong."""
    return ua.CallMethodResult(ua.StatusCode(code), [], [], [])


def _answer(outputs: Any, method: Method, codes: list[ua.StatusCode]) -> ua.CallMethodResult:
    values = () if outputs is None else outputs if isinstance(outputs, tuple) else (outputs,)
    variants = [ua.Variant(v, ua.VariantType(a.type), is_array=a.rank != SCALAR) for v, a in zip(values, method.outputs, strict=True)]
    return ua.CallMethodResult(ua.StatusCode(), codes, [], variants)


def _refused(error: Exception, session: Session) -> ua.CallMethodResult:
    """What a method raised, as a StatusCode; the sentence is kept for people (`Run.LastError`)."""
    session.last_error = str(error)
    if isinstance(error, ua.UaStatusCodeError):
        return failed(error.code)
    if isinstance(error, BatchtwinError):
        return failed(REFUSED.get(error.code, Code.BadInvalidArgument))
    if isinstance(error, TimeoutError):
        return failed(Code.BadTimeout)
    raise error


def _argument(argument: Argument, variant: ua.Variant) -> tuple[Any, int]:
    """The value of an argument and 0, or None and why not. Whole numbers of any type fit where they are in range."""
    kind, value = int(variant.VariantType.value), variant.Value
    if (argument.rank == SCALAR) == isinstance(value, list) or value is None:
        return None, int(Code.BadTypeMismatch)
    if kind == argument.type and kind not in REALS:
        return value, 0
    if kind in INTEGERS and argument.type in INTEGERS and argument.rank == SCALAR:
        low, high = INTEGERS[argument.type]
        return (value, 0) if low <= value <= high else (None, int(Code.BadOutOfRange))
    if argument.type in REALS and (kind in REALS or kind in INTEGERS) and argument.rank == SCALAR:
        return (float(value), 0) if not math.isinf(value) else (None, int(Code.BadOutOfRange))
    return None, int(Code.BadTypeMismatch)
