"""Pictures as sequences of patches."""
import numpy as np

from rnnlayers.affine import temporal_affine_backward, temporal_affine_forward
from rnnlayers.shapes import Array, check_like, check_shapes


def patch_embedding_forward(images: Array, Wp: Array, bp: Array, patch_size: int) -> tuple[Array, tuple]:
    """Cut pictures into square patches and project each, out[n, i] = flattened patch i of picture n, times Wp, plus bp.

    images (N, C, H, W), patch_size p a divisor of H and W, Wp (C p p, E), bp (E,) -> out (N, H W / p^2, E), cache.
    Patches come row by row, each flattened as (C, p, p). Raises ValueError on shapes that do not fit.
    Source: Dosovitskiy et al. (2021), "An image is worth 16x16 words", section 3.1.
    """
    images, p = np.asarray(images), patch_size
    check_shapes("patch_embedding_forward", images=(images, "N C H W"))
    N, C, H, W = images.shape
    if isinstance(p, bool) or not isinstance(p, (int, np.integer)) or p < 1 or H % p or W % p:
        raise ValueError(f"patch_embedding_forward: patch_size is {p!r}, expected a divisor of H = {H} and W = {W}")
    rows, columns = H // p, W // p
    patches = images.reshape(N, C, rows, p, columns, p).transpose(0, 2, 4, 1, 3, 5)
    patches = patches.reshape(N, rows * columns, C * p * p)
    check_shapes("patch_embedding_forward", patches=(patches, "N T D"), Wp=(Wp, "D E"), bp=(bp, "E"))
    out, affine = temporal_affine_forward(patches, Wp, bp)
    return out, (images.shape, p, affine)


def patch_embedding_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of patch_embedding_forward: dout (N, patches, E) -> dimages (N, C, H, W), dWp (C p p, E), dbp (E,).

    Raises ValueError if the shape of dout is not that of out.
    """
    (N, C, H, W), p, affine = cache
    patches, Wp, _ = affine
    check_like("patch_embedding_backward", dout=(dout, (*patches.shape[:2], Wp.shape[1])))
    dpatches, dWp, dbp = temporal_affine_backward(dout, affine)
    dimages = dpatches.reshape(N, H // p, W // p, C, p, p).transpose(0, 3, 1, 4, 2, 5).reshape(N, C, H, W)
    return dimages, dWp, dbp
