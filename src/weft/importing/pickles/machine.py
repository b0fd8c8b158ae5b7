"""The machine of pickles: it reads the opcodes of all protocols and executes nothing.

A pickle is a program for a stack machine with opcodes that import and call functions. Here a name that is imported is
a `Global`, and a call of one makes an inert value: a tensor, an array or a dictionary for the few functions in
`weft.importing.pickles.calls`, an `Instance` for any other class. A name of Python's own library that no model needs,
for instance os.system, is refused, and so is a file whose objects would take far more memory than the file.
"""

from __future__ import annotations

import pickletools
import sys
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

from weft.errors import InputError, quoted
from weft.importing.bounded_file import BoundedFile
from weft.importing.budget import Budget
from weft.importing.pickles.calls import made_by, with_state
from weft.importing.pickles.values import Global, Instance

HARMLESS = {
    "collections", "copyreg", "copy_reg", "_codecs", "argparse", "datetime", "pathlib", "enum", "types", "decimal",
    "fractions", "uuid", "__future__",
}  # fmt: skip
"""Modules of Python's library that checkpoints name. Nothing of them is imported either."""
HARMLESS_BUILTINS = {
    "set", "frozenset", "list", "dict", "tuple", "object", "int", "float", "complex", "bool", "str", "bytes",
    "bytearray", "slice", "range", "long", "unicode", "xrange", "type",
}  # fmt: skip
OBJECT = 100
"""About how many bytes a small object takes, with its place on the stack."""

PersistentLoad = Callable[[Any], Any]


def run(file: BoundedFile | BytesIO, budget: Budget, persistent: PersistentLoad | None = None) -> Any:
    """The object of the pickle at the position of `file`, which is then behind the pickle.

    persistent: returns the object of a persistent id. Raises InputError for a pickle that is damaged, that names
    functions no model needs, or whose objects take more memory than the `budget`.
    """
    machine = _Machine(budget, persistent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # for escapes in strings of Python 2
            for opcode, argument, _position in pickletools.genops(cast(Any, file)):
                budget.spend(OBJECT + (4 * len(argument) if isinstance(argument, (str, bytes, bytearray)) else 0))
                machine.step(opcode.name, argument)
        (value,) = machine.stack
    except InputError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"a pickle in it is damaged ({quoted(str(error) or type(error).__name__)})") from None
    return value


class _Machine:
    def __init__(self, budget: Budget, persistent: PersistentLoad | None) -> None:
        self.budget, self.persistent = budget, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Carry out one opcode."""
        if opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _EMPTY:
            self.stack.append(_EMPTY[opcode]())
        elif opcode in _PUTS:
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif opcode in _GETS:
            self.stack.append(self.memo[int(argument)])
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            act = getattr(self, f"_{opcode.lower()}", None)
            if act is None:
                raise InputError(f"a pickle in it has the opcode {opcode}, which no model needs")
            act(argument)

    def _pop_mark(self, _argument: Any = None) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        self.budget.spend(8 * len(items))
        return items

    def _mark(self, _argument: Any) -> None:
        self.marks.append(len(self.stack))

    def _pop(self, _argument: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def _dup(self, _argument: Any) -> None:
        self.stack.append(self.stack[-1])

    def _tuple(self, _argument: Any) -> None:
        self.stack.append(tuple(self._pop_mark()))

    def _tuple1(self, _argument: Any) -> None:
        self.stack[-1:] = [(self.stack[-1],)]

    def _tuple2(self, _argument: Any) -> None:
        self.stack[-2:] = [(self.stack[-2], self.stack[-1])]

    def _tuple3(self, _argument: Any) -> None:
        self.stack[-3:] = [(self.stack[-3], self.stack[-2], self.stack[-1])]

    def _list(self, _argument: Any) -> None:
        self.stack.append(self._pop_mark())

    _frozenset = _list

    def _append(self, _argument: Any) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _argument: Any) -> None:
        self._extend(self._pop_mark())

    _additems = _appends

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _dict(self, _argument: Any) -> None:
        items = self._pop_mark()
        self.stack.append({})
        self._set(items)

    def _setitem(self, _argument: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _argument: Any) -> None:
        self._set(self._pop_mark())

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                # Keys of other types are of no use here, and hashes of some can be made to collide.
                if isinstance(key, (str, bytes, bool)) or (type(key) is int and abs(key) < 1 << 63):
                    target[key] = value
                    self.budget.spend(OBJECT)

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_checked(Global(module, name)))

    def _stack_global(self, _argument: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_checked(Global(_text(module), _text(name))))

    def _reduce(self, _argument: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(made_by(_function(function), tuple(arguments), self.budget))

    _newobj = _reduce

    def _newobj_ex(self, _argument: Any) -> None:
        _named, arguments, of = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.stack.append(made_by(_function(of), tuple(arguments), self.budget))

    def _obj(self, _argument: Any) -> None:
        of, *arguments = self._pop_mark()
        self.stack.append(made_by(_function(of), tuple(arguments), self.budget))

    def _inst(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(made_by(_checked(Global(module, name)), tuple(self._pop_mark()), self.budget))

    def _build(self, _argument: Any) -> None:
        state = self.stack.pop()
        with_state(self.stack[-1], state)

    def _binpersid(self, _argument: Any) -> None:
        self._persid(self.stack.pop())

    def _persid(self, id: Any) -> None:
        if self.persistent is None:
            raise InputError("a pickle in it refers to objects outside of it")
        self.stack.append(self.persistent(id))


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE",
    "BINUNICODE", "BINUNICODE8",
}  # fmt: skip
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}


def _checked(named: Global) -> Global:
    """`named`; raises InputError for what is in Python's library and not harmless."""
    first = named.module.partition(".")[0]
    if first in ("builtins", "__builtin__"):
        harmless = named.name in HARMLESS_BUILTINS
    else:
        harmless = first in HARMLESS or first not in sys.stdlib_module_names
    if not harmless:
        raise InputError(f"it names {quoted(str(named))}, which no model needs; nothing of it was executed")
    return named


def _function(value: Any) -> Global:
    if isinstance(value, Instance):  # an object that is called: what it would return is not known
        return value.of
    if not isinstance(value, Global):
        raise TypeError(f"{type(value).__name__} is not a function")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is not a string")
    return value
