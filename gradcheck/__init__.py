"""Numeric gradient checks that name the wrong entries and the likely cause. Imports only NumPy."""
from gradcheck.check import check_model, check_pair
from gradcheck.course import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)
from gradcheck.layer import check_layer
from gradcheck.numeric import numeric_grad
from gradcheck.report import Report
