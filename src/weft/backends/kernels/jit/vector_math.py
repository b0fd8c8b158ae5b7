"""tanh, σ and exp in float32, written so that LLVM turns a loop over them into vector instructions.

The C library's functions are called one element at a time (tens of nanoseconds); these take a fraction of one.

tanh x = x P(x²) / Q(x²) on |x| < 8.6, beyond which tanh is 1 in float32: the rational function of degree 4 over 4 whose
largest relative error is smallest, found by iteratively reweighted least squares; with rounding, 4e-7.
σ(x) = (1 + tanh(x / 2)) / 2.
exp x = 2^k exp r with k = round(x / ln 2), |r| <= ln 2 / 2: a polynomial of degree 6 for exp r, found in the same way,
and k added to the exponent's bits; relative error 2e-7.
2^y is the same with k = round(y), an exact remainder y - k and a polynomial of degree 5 with constant term 1: a third
fewer instructions; relative error 1.7e-7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from weft.backends.kernels.jit.compile import inlined, intrinsic

F = np.float32
HALF, ONE, LIMIT = F(0.5), F(1), F(8.6)
P1, P2, P3, P4 = F(0.13406885), F(0.0035264133), F(2.1122572e-05), F(1.4082731e-08)
Q1, Q2, Q3, Q4 = F(0.46740207), F(0.025993945), F(0.00033362894), F(8.070744e-07)
E2, E3, E4, E5, E6 = F(0.4999999), F(0.1666642), F(0.041668225), F(0.008374816), F(0.0013836846)
LOG2_E, LN2_HIGH, LN2_LOW = F(1.44269504), F(0.693359375), F(-2.12194440e-4)
LOWEST = F(-80)  # exp(-80) is far below rounding errors and above the denormal range, where arithmetic is slow
HIGHEST = F(88)  # exp(89) overflows float32
ROUND = F(12582912.0)  # 1.5 · 2^23: adding it rounds to an integer, which is then in the lowest bits
EXPONENT, BIAS = np.int32(23), np.int32(127)
B1, B2, B3, B4, B5 = F(0.693147), F(0.24022242), F(0.055507336), F(0.009671513), F(0.0013264727)
LEAST_POWER, GREATEST_POWER = F(-115), F(127)
ROUND_TO_BITS = F(12582912.0 + 127)  # as ROUND; the lowest bits are then the exponent bits of 2^k


@intrinsic
def float_of_bits(typing: Any, bits: Any) -> Any:
    """The float32 with the bits of an int32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def bits_of_float(typing: Any, x: Any) -> Any:
    """The bits of a float32 as an int32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), generate


@inlined
def tanh(x: Any) -> Any:
    """tanh x of one float32."""
    x = min(max(x, -LIMIT), LIMIT)
    y = x * x
    p = (((P4 * y + P3) * y + P2) * y + P1) * y + ONE
    q = (((Q4 * y + Q3) * y + Q2) * y + Q1) * y + ONE
    return min(max(x * p / q, -ONE), ONE)


@inlined
def sigmoid(x: Any) -> Any:
    """σ(x) of one float32."""
    return HALF * tanh(HALF * x) + HALF


@inlined
def exp(x: Any) -> Any:
    """exp x of one float32, with x clipped to [-80, 88]; NaN for NaN."""
    x = LOWEST if x < LOWEST else x
    x = HIGHEST if x > HIGHEST else x
    shifted = x * LOG2_E + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = (((((E6 * r + E5) * r + E4) * r + E3) * r + E2) * r + ONE) * r + ONE
    return p * float_of_bits((np.int32(k) + BIAS) << EXPONENT)


@inlined
def power_of_two(y: Any) -> Any:
    """2^y of one float32, with y clipped to [-115, 127]; NaN for NaN."""
    y = LEAST_POWER if y < LEAST_POWER else y
    y = GREATEST_POWER if y > GREATEST_POWER else y
    shifted = y + ROUND_TO_BITS
    f = y - (shifted - ROUND_TO_BITS)
    p = ((((B5 * f + B4) * f + B3) * f + B2) * f + B1) * f + ONE
    return p * float_of_bits(bits_of_float(shifted) << EXPONENT)
