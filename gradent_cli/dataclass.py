"""Dataclasses without the price of `dataclasses`, for what a run that cron starts is made of.

Python's own write the methods of each class when it is made, and import `inspect`, `ast` and `dis` for it: with the
forty classes that a run needs, more than four times what the interpreter takes to start. These share their methods. To
a type checker they are ordinary dataclasses, and `dataclasses.replace`, `asdict` and `fields` take them as such. They
have slots, and neither default factories nor bases with fields.
"""

from operator import attrgetter

from gradent_cli.annotations import TYPE_CHECKING

__all__ = ["dataclass", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:

    def dataclass(*, frozen=False, slots=True, kw_only=False):
        """As `dataclasses.dataclass` with these options; `slots` has to be true."""
        if not slots:
            raise TypeError("there are none without slots")

        def make(cls):
            names = tuple(cls.__annotations__)
            namespace = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
            defaults = {name: namespace.pop(name) for name in names if name in namespace}
            made = type(cls)(cls.__name__, cls.__bases__, {**_METHODS, **namespace, "__slots__": names})
            made.__qualname__ = cls.__qualname__
            made._fields, made._defaults, made._compared = names, defaults, attrgetter(*names)
            made.__init__ = _initialiser(made, names, defaults, 0 if kw_only else len(names))
            made.__match_args__ = () if kw_only else names
            if frozen:
                made.__setattr__ = made.__delattr__ = _refuse
                made.__hash__ = namespace.get("__hash__") or _hash
            return made

        return make

    def replace(record, /, **changes):
        """As `dataclasses.replace`."""
        return type(record)(**{**dict(zip(record._fields, _values(record), strict=True)), **changes})

    def _initialiser(cls, names, defaults, positional):
        setters = [(name, vars(cls)[name].__set__) for name in names]

        def __init__(self, *given, **values):
            if given:
                if len(given) > positional or not values.keys().isdisjoint(names[: len(given)]):
                    raise TypeError(f"{cls.__name__}() takes {positional} positional arguments")
                values.update(zip(names, given, strict=False))
            if len(values) < len(names):
                values = {**defaults, **values}
            try:
                for name, put in setters:
                    put(self, values[name])
            except KeyError as error:
                raise TypeError(f"{cls.__name__}() misses the argument {error}") from None
            if len(values) > len(names):
                raise TypeError(f"{cls.__name__}() got an unexpected argument among {', '.join(values)}")

        return __init__

    def _values(record):
        return [getattr(record, name) for name in record._fields]

    def _refuse(self, name, *_):
        raise AttributeError(f"cannot change the field {name!r} of a {type(self).__name__}")

    def _hash(self):
        return hash(self._compared(self))

    def __repr__(self):
        fields = (f"{name}={value!r}" for name, value in zip(self._fields, _values(self), strict=True))
        return f"{type(self).__qualname__}({', '.join(fields)})"

    def __eq__(self, other):
        return self._compared(self) == self._compared(other) if type(other) is type(self) else NotImplemented

    def __getstate__(self):
        return _values(self)

    def __setstate__(self, state):
        for name, value in zip(self._fields, state, strict=True):
            object.__setattr__(self, name, value)

    class _Fields:
        """What the functions of `dataclasses` ask for, made when they first do."""

        def __get__(self, record, cls):
            from dataclasses import field, make_dataclass

            described = [
                (name, kind, field(default=cls._defaults[name]) if name in cls._defaults else field())
                for name, kind in cls.__annotations__.items()
            ]
            cls.__dataclass_fields__ = make_dataclass(cls.__name__, described, kw_only=True).__dataclass_fields__
            return cls.__dataclass_fields__

    _METHODS = {
        "__repr__": __repr__,
        "__eq__": __eq__,
        "__hash__": None,
        "__getstate__": __getstate__,
        "__setstate__": __setstate__,
        "__dataclass_fields__": _Fields(),
    }
