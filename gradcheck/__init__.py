"""Numeric gradient checks. Imports NumPy alone, so that it can check anything."""
from gradcheck.numeric import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)
