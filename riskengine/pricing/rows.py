"""Rows of 32 numbers as vectors: what reading a book table comes down to.

A loop over 32 scenarios in plain numba checks for overlap, and keeps its sums in memory: it read tables at a third of
this speed.  Here the vectors are stated, eight numbers wide; a CPU with narrower ones splits them and gets the same
bits, as nothing is summed across a vector and every multiply-add is fused.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROW = 32
_WIDTH = 8
_VECTOR = ir.VectorType(ir.DoubleType(), _WIDTH)
_INT = ir.IntType(32)
_UNSET = ir.Constant(_VECTOR, ir.Undefined)


def _order(indices) -> ir.Constant:
    return ir.Constant(ir.VectorType(_INT, _WIDTH), list(indices))


def _vectors(context, builder, array_type, array, index) -> ir.Value:
    """Pointer to the element at `index`, as vectors."""
    data = cgutils.create_struct_proxy(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _at(builder, vectors, k: int) -> ir.Value:
    return builder.gep(vectors, [ir.Constant(ir.IntType(64), k)])


def _load(builder, vectors, k: int) -> ir.Value:
    return builder.load(_at(builder, vectors, k), align=8)


@intrinsic
def copy_row(typing_context, total, table, at):
    """total[:32] = the row at ``table[at]``."""

    def codegen(context, builder, signature, args):
        to = _vectors(context, builder, signature.args[0], args[0], ir.Constant(ir.IntType(64), 0))
        row = _vectors(context, builder, signature.args[1], args[1], args[2])
        for part in range(ROW // _WIDTH):
            builder.store(_load(builder, row, part), _at(builder, to, part), align=8)
        return context.get_dummy_value()

    return types.void(total, table, types.int64), codegen


@intrinsic
def add_rows(typing_context, total, table, at, w0, w1, w2, w3):
    """total[:32] += w0 row0 + w1 row1 + w2 row2 + w3 row3, the rows one after another from ``table[at]``."""

    def codegen(context, builder, signature, args):
        sums = _vectors(context, builder, signature.args[0], args[0], ir.Constant(ir.IntType(64), 0))
        rows = _vectors(context, builder, signature.args[1], args[1], args[2])
        weights = [
            builder.shuffle_vector(builder.insert_element(_UNSET, w, ir.Constant(_INT, 0)), _UNSET, _order([0] * 8))
            for w in args[3:]
        ]
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{_WIDTH}f64"
        )
        parts = ROW // _WIDTH
        for part in range(parts):
            value = _load(builder, sums, part)
            for r, weight in enumerate(weights):
                value = builder.call(fma, [weight, _load(builder, rows, parts * r + part), value])
            builder.store(value, _at(builder, sums, part), align=8)
        return context.get_dummy_value()

    return types.void(total, table, types.int64, *[types.float64] * 4), codegen


@intrinsic
def least_of_row(typing_context, total):
    """Minimum of total[:32], none of them NaN."""

    def codegen(context, builder, signature, args):
        row = _vectors(context, builder, signature.args[0], args[0], ir.Constant(ir.IntType(64), 0))

        def lower(a, b):
            return builder.select(builder.fcmp_ordered("<", b, a), b, a)

        least = _load(builder, row, 0)
        for part in range(1, ROW // _WIDTH):
            least = lower(least, _load(builder, row, part))
        for turn in (4, 2, 1):
            least = lower(least, builder.shuffle_vector(least, _UNSET, _order((i + turn) % 8 for i in range(8))))
        return builder.extract_element(least, ir.Constant(_INT, 0))

    return types.float64(total), codegen
